import Tensors

extension ByteReader {
  /// Reads a string of at most `limit` bytes that must be UTF-8.
  mutating func ggufText(_ what: String, limit: Int = .max, rule: String) throws(LMToolError) -> String {
    let start = offset
    let range = try ggufStringRange(what)
    guard range.count <= limit else {
      throw broken("\(what) has \(range.count) bytes, more than \(limit)", at: start, rule)
    }
    guard let text = file.withBytes(range, { String(validating: $0, as: UTF8.self) }) else {
      throw broken("\(what) is not UTF-8", at: start, rule)
    }
    return text
  }

  /// Reads the length of a string and passes its bytes.
  mutating func ggufStringRange(_ what: String) throws(LMToolError) -> Range<Int> {
    let length = try integer(UInt64.self, what)
    return try take(Int(clamping: length), what)
  }

  /// Reads a value of the kind that comes before it. Rules GGUF-2, GGUF-5 and GGUF-6.
  mutating func ggufValue() throws(LMToolError) -> GGUFValue {
    switch try ggufKind("the value type") {
    case .uint8: .uint8(try number("a u8"))
    case .int8: .int8(try number("an i8"))
    case .uint16: .uint16(try number("a u16"))
    case .int16: .int16(try number("an i16"))
    case .uint32: .uint32(try number("a u32"))
    case .int32: .int32(try number("an i32"))
    case .float32: .float32(try float("an f32"))
    case .bool: .bool(try ggufBool())
    case .string: .string(try ggufText("the string", rule: "GGUF-5"))
    case .array: .array(try ggufArray())
    case .uint64: .uint64(try number("a u64"))
    case .int64: .int64(try number("an i64"))
    case .float64: .float64(Double(bitPattern: try number("an f64")))
    }
  }

  private mutating func number<Value: FixedWidthInteger>(_ what: String) throws(LMToolError) -> Value {
    try integer(Value.self, what)
  }

  private mutating func ggufKind(_ what: String) throws(LMToolError) -> GGUFValueKind {
    let start = offset
    let number = try integer(UInt32.self, what)
    guard let kind = GGUFValueKind(rawValue: number) else {
      throw broken("\(what) is \(number), but types are 0 to 12", at: start, "GGUF-5")
    }
    return kind
  }

  private mutating func ggufBool() throws(LMToolError) -> Bool {
    let start = offset
    let byte = try integer(UInt8.self, "a bool")
    guard byte <= 1 else { throw broken("a bool is \(byte), but must be 0 or 1", at: start, "GGUF-5") }
    return byte == 1
  }

  private mutating func ggufArray() throws(LMToolError) -> GGUFArray {
    let start = offset
    let kind = try ggufKind("the array element type")
    let length = try integer(UInt64.self, "the array length")
    guard length <= UInt64(remaining / kind.minimumSize) else {
      throw broken(
        "the array has \(length) elements, but \(remaining) bytes are left; the file is truncated or damaged", at: start, "GGUF-2"
      )
    }
    let count = Int(length)
    switch kind {
    case .uint8: return .uint8(try elements(count))
    case .int8: return .int8(try elements(count))
    case .uint16: return .uint16(try elements(count))
    case .int16: return .int16(try elements(count))
    case .uint32: return .uint32(try elements(count))
    case .int32: return .int32(try elements(count))
    case .float32: return .float32(try elements(count))
    case .bool: return .bool(try ggufBools(count))
    case .string: return .string(try ggufStrings(count))
    case .array: throw broken("an array of arrays is not supported", at: start, "GGUF-6")
    case .uint64: return .uint64(try elements(count))
    case .int64: return .int64(try elements(count))
    case .float64: return .float64(try elements(count))
    }
  }

  /// Copies plain elements; all platforms of lmtool are little-endian, as the file is.
  private mutating func elements<Element: BitwiseCopyable>(_ count: Int) throws(LMToolError) -> [Element] {
    let range = try take(count * MemoryLayout<Element>.size, "the array")
    return file.withBytes(range) { source in
      [Element](unsafeUninitializedCapacity: count) { target, initialized in
        UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
        initialized = count
      }
    }
  }

  private mutating func ggufBools(_ count: Int) throws(LMToolError) -> [Bool] {
    let start = offset
    let bytes: [UInt8] = try elements(count)
    if let wrong = bytes.firstIndex(where: { $0 > 1 }) {
      throw broken("a bool is \(bytes[wrong]), but must be 0 or 1", at: start + wrong, "GGUF-5")
    }
    return bytes.map { $0 == 1 }
  }

  /// Reads strings over the raw bytes: a vocabulary has some hundred thousand of them.
  private mutating func ggufStrings(_ count: Int) throws(LMToolError) -> [[UInt8]] {
    var strings: [[UInt8]] = []
    strings.reserveCapacity(count)
    let start = offset
    let size = file.withBytes(start..<end) { bytes in
      var position = 0
      while strings.count < count, bytes.count - position >= 8 {
        let length = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        guard length <= UInt64(bytes.count - position - 8) else { break }
        strings.append(Array(bytes[(position + 8)..<(position + 8 + Int(length))]))
        position += 8 + Int(length)
      }
      return position
    }
    _ = try take(size, "the strings")
    guard strings.count == count else {
      throw broken(
        "string \(strings.count) of the array reaches past the end; the file is truncated or damaged", at: offset, "GGUF-2")
    }
    return strings
  }

  private func broken(_ message: String, at offset: Int, _ rule: String) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .offset(offset), rule: rule)
  }
}
