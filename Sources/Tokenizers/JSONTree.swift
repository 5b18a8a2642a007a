import Tensors

/// JSON with strings as bytes and members in file order.
///
/// JSONDecoder keeps members in a dictionary of `String`, where "é" and "e" + U+0301 are one key; a vocabulary may have
/// both as different tokens.
enum JSONTree: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(Double)
  /// A number without fraction or exponent that fits.
  case integer(Int)
  case string([UInt8])
  case array([JSONTree])
  case object([Member])

  struct Member: Sendable, Equatable {
    var key: [UInt8]
    var value: JSONTree
  }

  /// The member `key` of an object, nil elsewhere and for null.
  subscript(key: String) -> JSONTree? {
    guard case .object(let members) = self else { return nil }
    let value = members.first { $0.key.elementsEqual(key.utf8) }?.value
    return value == .null ? nil : value
  }

  /// The string as text.
  var text: String? { if case .string(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil } }
  /// The string as bytes.
  var bytes: [UInt8]? { if case .string(let bytes) = self { bytes } else { nil } }
  /// The truth value.
  var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// The elements of an array.
  var array: [JSONTree]? { if case .array(let elements) = self { elements } else { nil } }
  /// The members of an object.
  var members: [Member]? { if case .object(let members) = self { members } else { nil } }
  /// The number as a token id.
  var id: Int32? {
    switch self {
    case .integer(let value): Int32(exactly: value)
    case .number(let value): Int32(exactly: value)
    default: nil
    }
  }
  /// The number, whole or not.
  var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// Reads a whole file.
  static func read(path: String) throws(LMToolError) -> JSONTree {
    let file = try MappedFile(path: path)
    guard file.count <= maximumJSONSize else {
      throw .tokenizer("the JSON has \(file.count) bytes, more than the limit of \(maximumJSONSize)", rule: 1, file: path)
    }
    return try file.withBytes(0..<file.count) { (bytes) throws(LMToolError) in
      do throws(LMToolError) { return try parse(bytes) } catch { throw error.within(file: path) }
    }
  }

  /// Parses JSON bytes.
  static func parse(_ bytes: [UInt8]) throws(LMToolError) -> JSONTree {
    let result = bytes.withUnsafeBytes { bytes in Result { () throws(LMToolError) in try parse(bytes) } }
    return try result.get()
  }

  /// Parses JSON bytes.
  static func parse(_ bytes: UnsafeRawBufferPointer) throws(LMToolError) -> JSONTree {
    var parser = JSONTreeParser(bytes)
    return try parser.document()
  }
}

/// A recursive-descent parser over UTF-8 (RFC 8259), with a limit on depth.
private struct JSONTreeParser {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var values = 0
  private static let maximumDepth = 64
  private static let maximumValues = 1 << 25

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func document() throws(LMToolError) -> JSONTree {
    let value = try value(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw failure("something follows the JSON value") }
    return value
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || (0x09...0x0D).contains(byte) { position += 1 }
  }

  private mutating func value(depth: Int) throws(LMToolError) -> JSONTree {
    guard depth < Self.maximumDepth else { throw failure("the JSON is nested more than \(Self.maximumDepth) deep") }
    values += 1
    guard values <= Self.maximumValues else { throw failure("the JSON has more than \(Self.maximumValues) values") }
    skipSpace()
    switch current {
    case UInt8(ascii: "{"): return try object(depth)
    case UInt8(ascii: "["): return try array(depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func word(_ word: String, _ value: JSONTree) throws(LMToolError) -> JSONTree {
    guard bytes[position...].starts(with: word.utf8) else { throw failure("this is not valid JSON") }
    position += word.utf8.count
    return value
  }

  private mutating func number() throws(LMToolError) -> JSONTree {
    let start = position
    while let byte = current, "+-.eE".utf8.contains(byte) || (0x30...0x39).contains(byte) { position += 1 }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if let value = Int(text), !text.hasPrefix("+") { return .integer(value) }
    guard start < position, let value = Double(text) else { throw failure("this is not valid JSON") }
    return .number(value)
  }

  private mutating func array(_ depth: Int) throws(LMToolError) -> JSONTree {
    position += 1
    var elements: [JSONTree] = []
    while try !ends(with: UInt8(ascii: "]"), isFirst: elements.isEmpty) { elements.append(try value(depth: depth + 1)) }
    return .array(elements)
  }

  private mutating func object(_ depth: Int) throws(LMToolError) -> JSONTree {
    position += 1
    var members: [JSONTree.Member] = []
    while try !ends(with: UInt8(ascii: "}"), isFirst: members.isEmpty) {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw failure("a key is expected") }
      let key = try string()
      skipSpace()
      guard current == UInt8(ascii: ":") else { throw failure("a colon is expected") }
      position += 1
      members.append(JSONTree.Member(key: key, value: try value(depth: depth + 1)))
    }
    return .object(members)
  }

  /// Moves past the comma before the next element, or past the closing bracket.
  private mutating func ends(with bracket: UInt8, isFirst: Bool) throws(LMToolError) -> Bool {
    skipSpace()
    if current == bracket {
      position += 1
      return true
    }
    if isFirst { return false }
    guard current == UInt8(ascii: ",") else { throw failure("a comma or the end of the list is expected") }
    position += 1
    return false
  }

  private mutating func string() throws(LMToolError) -> [UInt8] {
    position += 1
    var result: [UInt8] = []
    while let byte = current {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard result.isValidUTF8 else { throw failure("a string is not valid UTF-8") }
        return result
      case UInt8(ascii: "\\"): try escape(&result)
      default: result.append(byte)
      }
    }
    throw failure("a string without end")
  }

  private mutating func escape(_ result: inout [UInt8]) throws(LMToolError) {
    guard let byte = current else { throw failure("a string without end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
    case UInt8(ascii: "b"): result.append(8)
    case UInt8(ascii: "f"): result.append(12)
    case UInt8(ascii: "n"): result.append(10)
    case UInt8(ascii: "r"): result.append(13)
    case UInt8(ascii: "t"): result.append(9)
    case UInt8(ascii: "u"): result.append(contentsOf: Array(String(try unicodeEscape()).utf8))
    default: throw failure("an unknown escape in a string")
    }
  }

  private mutating func unicodeEscape() throws(LMToolError) -> Unicode.Scalar {
    var value = try hexadecimal()
    if (0xD800..<0xDC00).contains(value), bytes[position...].starts(with: "\\u".utf8) {
      position += 2
      let low = try hexadecimal()
      guard (0xDC00..<0xE000).contains(low) else { throw failure("half of a surrogate pair") }
      value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw failure("half of a surrogate pair") }
    return scalar
  }

  private mutating func hexadecimal() throws(LMToolError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("\\u without four digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private func failure(_ message: String) -> LMToolError { .tokenizer(message, rule: 6, at: .offset(position)) }
}
