import FoundationEssentials

/// Any JSON value: for files such as `config.json` whose keys we must keep though we do not know them all.
public enum JSONValue: Sendable, Hashable, Codable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// Reads any JSON value; whole numbers that fit become `int`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .int(value)
    } else if let value = try? container.decode(Double.self) {
      self = .double(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// Writes the value.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .int(let value): try container.encode(value)
    case .double(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  /// The member `key` of an object, nil elsewhere and for JSON null.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self, let value = members[key], value != .null else { return nil }
    return value
  }

  /// The number as an integer, if it is one.
  public var int: Int? {
    switch self {
    case .int(let value): value
    case .double(let value): Int(exactly: value)
    case .null, .bool, .string, .array, .object: nil
    }
  }

  /// The number as a double.
  public var double: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    case .null, .bool, .string, .array, .object: nil
    }
  }

  /// The string, if it is one.
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  /// The truth value, if it is one.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// The elements, if it is an array.
  public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  /// The members, if it is an object.
  public var object: [String: JSONValue]? { if case .object(let value) = self { value } else { nil } }
}

/// The largest JSON text that is read: a tokenizer.json of a 262,144-token vocabulary has 35 MB.
public let maximumJSONSize = 200_000_000

/// Decodes a JSON file.
///
/// - Throws: `badInput` with the key path and the reason when it is not the JSON that is expected.
public func decodeJSON<T: Decodable>(_ type: T.Type, file: MappedFile) throws(LMToolError) -> T {
  guard file.count <= maximumJSONSize else {
    throw LMToolError(.badInput, "the JSON has \(file.count) bytes, more than the limit of \(maximumJSONSize)", file: file.path)
  }
  return try file.withBytes(0..<file.count) { (bytes) throws(LMToolError) in
    do throws(LMToolError) { return try decodeJSON(type, bytes: bytes) } catch { throw error.within(file: file.path) }
  }
}

/// Decodes JSON bytes.
///
/// - Throws: `badInput` as above, without a file name.
public func decodeJSON<T: Decodable>(_ type: T.Type, bytes: UnsafeRawBufferPointer) throws(LMToolError) -> T {
  do {
    return try JSONDecoder().decode(type, from: Data(bytes))
  } catch let error as DecodingError {
    throw LMToolError(.badInput, "this is not the JSON that is expected; \(describe(error))")
  } catch {
    throw LMToolError(.badInput, "this is not valid JSON")
  }
}

/// Encodes a value as JSON with sorted keys, so that the same value gives the same bytes. Infinity and NaN, which JSON
/// lacks, become the strings "inf", "-inf" and "nan".
///
/// - Parameters:
///   - pretty: on several lines.
///   - snakeCase: property names such as `fileBytes` become "file_bytes"; keys of dictionaries stay.
public func encodeJSON<T: Encodable>(_ value: T, pretty: Bool = false, snakeCase: Bool = false) throws(LMToolError) -> [UInt8] {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
  if snakeCase { encoder.keyEncodingStrategy = .convertToSnakeCase }
  encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  do {
    return [UInt8](try encoder.encode(value))
  } catch {
    throw LMToolError(.bug, "a value cannot be written as JSON: \(error)")
  }
}

private func describe(_ error: DecodingError) -> String {
  func path(_ context: DecodingError.Context) -> String {
    let keys = context.codingPath.map(\.stringValue).joined(separator: ".").printable
    return keys.isEmpty ? "" : "at \(keys): "
  }
  return switch error {
  case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
    path(context) + context.debugDescription.printable
  case .keyNotFound(let key, let context):
    path(context) + "the key \(key.stringValue.printable) is missing"
  @unknown default: "unreadable"
  }
}
