import Tensors

/// A cursor over bytes in memory that checks every length before it is used. Integers are little-endian.
struct ByteCursor {
  let bytes: [UInt8]
  private(set) var offset = 0
  private let end: Int
  private let rule: Int

  init(_ bytes: [UInt8], range: Range<Int>? = nil, rule: Int) {
    self.bytes = bytes
    offset = range?.lowerBound ?? 0
    end = range?.upperBound ?? bytes.count
    self.rule = rule
  }

  var remaining: Int { end - offset }

  mutating func take(_ count: Int, _ what: String) throws(LMToolError) -> Range<Int> {
    guard count >= 0, count <= remaining else {
      throw failure("\(what) needs \(count) bytes but \(remaining) are left; the file is truncated or damaged")
    }
    defer { offset += count }
    return offset..<(offset + count)
  }

  mutating func integer<T: FixedWidthInteger>(_ type: T.Type, _ what: String) throws(LMToolError) -> T {
    let range = try take(MemoryLayout<T>.size, what)
    return bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: range.lowerBound, as: T.self)) }
  }

  mutating func integer<T: FixedWidthInteger>(_ what: String) throws(LMToolError) -> T { try integer(T.self, what) }

  /// Reads a count of things of which each takes at least `size` bytes.
  mutating func count(ofSize size: Int, _ what: String) throws(LMToolError) -> Int {
    let count = Int(try integer(UInt32.self, what))
    guard count <= remaining / size else {
      throw failure("\(what) is \(count), but only \(remaining) bytes are left; the file is truncated or damaged")
    }
    return count
  }

  /// Reads a Protocol Buffers varint.
  mutating func varint(_ what: String) throws(LMToolError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      let byte = try integer(UInt8.self, what)
      guard shift < 63 || byte <= 1 else { throw failure("\(what) does not fit 64 bits") }
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    throw failure("\(what) does not fit 64 bits")
  }

  func failure(_ message: String) -> LMToolError { .tokenizer(message, rule: rule, at: .offset(offset)) }
}
