/// A cursor over the bytes of a file that checks every length before it is used. Integers are little-endian.
public struct ByteReader {
  /// The file read, named in errors and, through the map, the owner of the bytes.
  public let file: MappedFile
  /// The next byte to read, from the start of the file.
  public private(set) var offset: Int
  /// The end of the readable part.
  public let end: Int
  /// The rule that a read past the end breaks, such as "GGUF-2".
  let rule: String

  /// A cursor over `range` of `file`; a read past its end breaks `rule`.
  public init(_ file: MappedFile, range: Range<Int>? = nil, rule: String) {
    self.file = file
    offset = range?.lowerBound ?? 0
    end = range?.upperBound ?? file.count
    self.rule = rule
  }

  /// Bytes left to read.
  public var remaining: Int { end - offset }

  /// Moves past `count` bytes and returns their range.
  ///
  /// - Parameter what: what the bytes are, for the error: "the tensor name".
  public mutating func take(_ count: Int, _ what: String) throws(LMToolError) -> Range<Int> {
    guard count >= 0, count <= remaining else {
      throw LMToolError(
        .badInput, "\(what) needs \(count) bytes but \(remaining) are left; the file is truncated or damaged",
        file: file.path, at: .offset(offset), rule: rule)
    }
    defer { offset += count }
    return offset..<(offset + count)
  }

  /// Reads one fixed-width integer.
  public mutating func integer<T: FixedWidthInteger>(_ type: T.Type = T.self, _ what: String) throws(LMToolError) -> T {
    let range = try take(MemoryLayout<T>.size, what)
    return file.withBytes(range) { T(littleEndian: $0.loadUnaligned(as: T.self)) }
  }

  /// Reads one 32-bit float.
  public mutating func float(_ what: String) throws(LMToolError) -> Float {
    Float(bitPattern: try integer(UInt32.self, what))
  }

  /// Reads `count` bytes as an array.
  public mutating func bytes(_ count: Int, _ what: String) throws(LMToolError) -> [UInt8] {
    let range = try take(count, what)
    return file.withBytes(range) { Array($0) }
  }
}
