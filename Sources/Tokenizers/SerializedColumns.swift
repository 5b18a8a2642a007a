import Tensors

/// Writes columns of integers byte plane by byte plane (rule TOK-12): zstd packs them a good deal better than rows.
struct ColumnWriter {
  var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ id: Int32?) { append(id ?? -1) }

  mutating func append(_ flags: [Bool]) {
    append(flags.enumerated().reduce(UInt8(0)) { $0 | ($1.element ? 1 << UInt8($1.offset) : 0) })
  }

  /// Appends the low `width` bytes of each value: first all lowest bytes, then the next.
  mutating func append(column: [UInt32], width: Int) {
    for plane in 0..<width { bytes.append(contentsOf: column.map { UInt8(truncatingIfNeeded: $0 >> UInt32(8 * plane)) }) }
  }
}

extension ByteCursor {
  /// Reads a column of `count` values of `width` bytes.
  mutating func column(_ count: Int, width: Int, _ what: String) throws(LMToolError) -> [UInt32] {
    guard count <= remaining / width else {
      throw failure("\(what) needs \(count) values but \(remaining) bytes are left; the data is truncated or damaged")
    }
    let range = try take(count * width, what)
    return (0..<count).map { index in
      (0..<width).reduce(UInt32(0)) { $0 | UInt32(bytes[range.lowerBound + $1 * count + index]) << UInt32(8 * $1) }
    }
  }

  /// Reads an id or -1 for none.
  mutating func optionalID(_ what: String) throws(LMToolError) -> Int32? {
    let id: Int32 = try integer(what)
    guard id >= -1 else { throw failure("\(what) is \(id)") }
    return id < 0 ? nil : id
  }

  /// Reads `count` flags of one byte; the other bits must be 0.
  mutating func flags(_ count: Int, _ what: String) throws(LMToolError) -> [Bool] {
    let byte: UInt8 = try integer(what)
    guard Int(byte) < 1 << count else { throw failure("\(what) has unknown bits: \(byte)") }
    return (0..<count).map { byte & (1 << UInt8($0)) != 0 }
  }

  /// Reads one of the cases of an enumeration.
  mutating func choice<T: RawRepresentable>(_ type: T.Type, _ what: String) throws(LMToolError) -> T where T.RawValue == UInt8 {
    let byte: UInt8 = try integer(what)
    guard let value = T(rawValue: byte) else { throw failure("\(what) has the unknown value \(byte)") }
    return value
  }
}
