import Tensors

/// The header of an `.npy` file. Rules NUMPY-1 to NUMPY-3 of `formats/numpy.md`.
struct NumPyHeader {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  private static let maximumSize = 65536
  private static let types: [String: DType] = [
    "f8": .f64, "f4": .f32, "f2": .f16, "i8": .i64, "i4": .i32, "i2": .i16, "i1": .i8, "u8": .u64, "u4": .u32, "u2": .u16,
    "u1": .u8, "b1": .bool,
  ]

  let dtype: DType
  let isBigEndian: Bool
  let isFortran: Bool
  let shape: [Int]
  /// The first byte of the elements.
  let end: Int

  /// Reads the header in `range` of `file`, an array of the name `name`.
  init(_ file: MappedFile, _ range: Range<Int>, name: String) throws(LMToolError) {
    var reader = ByteReader(file, range: range, rule: "NUMPY-1")
    let magic = try reader.bytes(6, "the magic")
    let major = try reader.integer(UInt8.self, "the version"), minor = try reader.integer(UInt8.self, "the version")
    guard magic == Self.magic, 1...3 ~= major, minor == 0 else {
      throw Self.broken(1, "this is no .npy file of the version 1, 2 or 3", file, name)
    }
    let length = major == 1 ? Int(try reader.integer(UInt16.self, "a length")) : Int(try reader.integer(UInt32.self, "a length"))
    guard length <= Self.maximumSize else { throw Self.broken(1, "the header has \(length) bytes", file, name) }
    var literal = NumPyLiteral(try reader.bytes(length, "the header"))
    guard let fields = literal.fields() else {
      throw Self.broken(2, "the header is not the dict of descr, fortran_order and shape", file, name)
    }
    guard let first = fields.descr.first, "<>|=".contains(first), let dtype = Self.types[String(fields.descr.dropFirst())] else {
      throw Self.broken(3, "elements of the type \(fields.descr.printable) are not read", file, name)
    }
    self.dtype = dtype
    isBigEndian = first == ">" && dtype.size > 1
    isFortran = fields.isFortran
    shape = fields.shape
    end = reader.offset
  }

  static func broken(_ rule: Int, _ message: String, _ file: MappedFile, _ name: String) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .tensor(name), rule: "NUMPY-\(rule)")
  }
}

/// The Python literal of a header.
struct NumPyLiteral {
  struct Fields {
    var descr: String
    var isFortran: Bool
    var shape: [Int]
  }

  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The three fields, nil when the literal is not what numpy writes.
  mutating func fields() -> Fields? {
    var descr: String?, isFortran: Bool?, shape: [Int]?
    guard take("{") else { return nil }
    while !take("}") {
      guard let key = text(), take(":") else { return nil }
      switch key {
      case "descr" where descr == nil: descr = text()
      case "fortran_order" where isFortran == nil: isFortran = truth()
      case "shape" where shape == nil: shape = tuple()
      default: return nil
      }
      guard take(",") || next == UInt8(ascii: "}") else { return nil }
    }
    skipSpace()
    guard position == bytes.count, let descr, let isFortran, let shape else { return nil }
    return Fields(descr: descr, isFortran: isFortran, shape: shape)
  }

  private var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

  private mutating func skipSpace() {
    while next == 0x20 || next == 0x0A { position += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    skipSpace()
    return true
  }

  private mutating func text() -> String? {
    skipSpace()
    let quote = next
    guard quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { return nil }
    let start = position + 1
    guard let end = bytes[start...].firstIndex(of: quote) else { return nil }
    position = end + 1
    skipSpace()
    return String(validating: bytes[start..<end], as: UTF8.self)
  }

  private mutating func truth() -> Bool? {
    for (word, value) in [("True", true), ("False", false)] where bytes[position...].starts(with: word.utf8) {
      position += word.utf8.count
      skipSpace()
      return value
    }
    return nil
  }

  private mutating func tuple() -> [Int]? {
    var numbers: [Int] = []
    guard take("(") else { return nil }
    while !take(")") {
      guard numbers.count < 64, let number = number() else { return nil }
      numbers.append(number)
      guard take(",") || next == UInt8(ascii: ")") else { return nil }
    }
    return numbers
  }

  private mutating func number() -> Int? {
    let start = position
    while 48...57 ~= next { position += 1 }
    let number = Int(String(decoding: bytes[start..<position], as: UTF8.self))
    if next == UInt8(ascii: "L") { position += 1 }
    skipSpace()
    return number
  }
}
