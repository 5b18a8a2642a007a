import Tensors

/// The bytes of a pickle: opcodes and their arguments. Rules PICKLE-1, PICKLE-2 and PICKLE-6.
struct PickleReader {
  private var bytes: ByteReader

  init(_ file: MappedFile, _ range: Range<Int>) { bytes = ByteReader(file, range: range, rule: "PICKLE-6") }

  var path: String { bytes.file.path }
  var offset: Int { bytes.offset }
  var isAtEnd: Bool { bytes.remaining == 0 }

  /// Checks that the pickle begins with PROTO and a protocol that is read; they stay to be read.
  func checkProtocol() throws(LMToolError) {
    var ahead = bytes
    let first = try ahead.integer(UInt8.self, "the protocol"), version = try ahead.integer(UInt8.self, "the protocol")
    guard first == PickleOpcode.proto.rawValue, 2...5 ~= version else {
      throw LMToolError(
        .badInput, "this is no pickle of the protocols 2 to 5", file: path, at: .offset(offset), rule: "PICKLE-1")
    }
  }

  mutating func opcode() throws(LMToolError) -> PickleOpcode {
    let byte = try bytes.integer(UInt8.self, "an opcode")
    guard let opcode = PickleOpcode(rawValue: byte) else {
      throw LMToolError(
        .badInput, "the opcode 0x\(String(byte, radix: 16, uppercase: true)) is none that torch.save writes", rule: "PICKLE-2")
    }
    return opcode
  }

  /// Moves past the argument of PROTO or FRAME.
  mutating func skipFrame(_ opcode: PickleOpcode) throws(LMToolError) {
    guard opcode == .frame else {
      _ = try bytes.take(1, "the protocol")
      return
    }
    let length = try bytes.integer(UInt64.self, "a frame")
    guard length <= UInt64(bytes.remaining) else {
      throw LMToolError(
        .badInput, "a frame of \(length) bytes does not fit into the \(bytes.remaining) that are left", rule: "PICKLE-6")
    }
  }

  /// The simple value that an opcode pushes; nil for an integer of more than 64 bits.
  mutating func value(_ opcode: PickleOpcode) throws(LMToolError) -> PickleValue? {
    switch opcode {
    case .newTrue: .bool(true)
    case .newFalse: .bool(false)
    case .binInt: .int(Int(try bytes.integer(Int32.self, "an integer")))
    case .binInt1: .int(Int(try bytes.integer(UInt8.self, "an integer")))
    case .binInt2: .int(Int(try bytes.integer(UInt16.self, "an integer")))
    case .long1: try long(Int(try bytes.integer(UInt8.self, "an integer")))
    case .long4: try long(try size(UInt64(try bytes.integer(UInt32.self, "an integer"))))
    case .binFloat: .double(Double(bitPattern: UInt64(bigEndian: try bytes.integer(UInt64.self, "a number"))))
    case .shortBinUnicode: .text(try text(UInt64(try bytes.integer(UInt8.self, "a text"))))
    case .binUnicode: .text(try text(UInt64(try bytes.integer(UInt32.self, "a text"))))
    case .binUnicode8: .text(try text(try bytes.integer(UInt64.self, "a text")))
    default: PickleValue.none
    }
  }

  /// Moves past bytes, and returns how many.
  mutating func skipBytes(_ opcode: PickleOpcode) throws(LMToolError) -> Int {
    let length: UInt64 =
      switch opcode {
      case .shortBinBytes: UInt64(try bytes.integer(UInt8.self, "bytes"))
      case .binBytes: UInt64(try bytes.integer(UInt32.self, "bytes"))
      default: try bytes.integer(UInt64.self, "bytes")
      }
    return try bytes.take(try size(length), "bytes").count
  }

  /// The place in the memo that an opcode names.
  mutating func index(_ opcode: PickleOpcode) throws(LMToolError) -> Int {
    opcode == .binPut || opcode == .binGet
      ? Int(try bytes.integer(UInt8.self, "an index")) : Int(try bytes.integer(UInt32.self, "an index"))
  }

  /// Text up to the end of the line.
  mutating func line() throws(LMToolError) -> String {
    var line: [UInt8] = []
    while true {
      let byte = try bytes.integer(UInt8.self, "a name")
      if byte == UInt8(ascii: "\n") { break }
      line.append(byte)
    }
    return try checked(String(validating: line, as: UTF8.self))
  }

  private mutating func text(_ length: UInt64) throws(LMToolError) -> String {
    let range = try bytes.take(try size(length), "a text")
    return try checked(bytes.file.withBytes(range) { String(validating: $0, as: UTF8.self) })
  }

  private func checked(_ text: String?) throws(LMToolError) -> String {
    guard let text else { throw LMToolError(.badInput, "a text is not UTF-8", rule: "PICKLE-6") }
    return text
  }

  private func size(_ length: UInt64) throws(LMToolError) -> Int {
    guard let size = Int(exactly: length) else {
      throw LMToolError(.badInput, "\(length) bytes do not fit into the pickle", rule: "PICKLE-6")
    }
    return size
  }

  /// An integer in two's complement, little-endian.
  private mutating func long(_ length: Int) throws(LMToolError) -> PickleValue? {
    let digits = try bytes.bytes(length, "an integer")
    guard digits.count <= 8 else { return nil }
    let sign: UInt64 = digits.last.map { $0 & 0x80 != 0 } == true ? .max : 0
    let value = digits.reversed().reduce(sign) { $0 << 8 | UInt64($1) }
    return .int(Int(Int64(bitPattern: value)))
  }
}
