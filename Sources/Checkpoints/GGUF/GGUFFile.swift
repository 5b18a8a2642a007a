import OrderedCollections
import Tensors

/// An open GGUF model, in one file or in several that `llama-gguf-split` made. Opening reads metadata and tensor infos; tensors are read
/// in pieces.
///
/// The rules are those of `formats/gguf.md`.
public struct GGUFFile: Sendable {
  /// The file, of several the first.
  public let file: MappedFile
  /// All files, in their order.
  public private(set) var files: [MappedFile]
  /// The version of the format, 2 or 3.
  public let version: Int
  /// What the offsets of tensors are multiples of.
  public let alignment: Int
  /// The metadata in the order of the file.
  public let metadata: OrderedDictionary<String, GGUFValue>
  /// The tensors in the order of their infos.
  public private(set) var tensors: OrderedDictionary<String, GGUFTensor>

  /// Opens and checks the file at `path`, and those that it is split into besides.
  ///
  /// - Throws: `missingInput`, or `badInput` with the rule that a file breaks.
  public init(path: String) throws(LMToolError) {
    let file = try GGUFFile(file: try MappedFile(path: path))
    guard let split = try GGUFSplit(file) else {
      self = file
      return
    }
    self = try split.number == 0 ? file : GGUFFile(file: try MappedFile(path: split.path(0)))
    for number in 1..<split.count {
      let part = try number == split.number ? file : GGUFFile(file: try MappedFile(path: split.path(number)))
      try split.check(part, number: number)
      try add(part)
    }
    try split.check(self, number: 0)
    try split.checkCount(of: self)
  }

  /// Adds the tensors of another part (GGUF-13).
  private mutating func add(_ part: GGUFFile) throws(LMToolError) {
    files.append(part.file)
    for (name, tensor) in part.tensors where tensors.updateValue(tensor, forKey: name) != nil {
      throw LMToolError(
        .badInput, "another part of the model has this tensor too", file: part.file.path, at: .tensor(name), rule: "GGUF-13")
    }
  }

  /// Checks a file that is mapped already, alone.
  init(file: MappedFile) throws(LMToolError) {
    var reader = ByteReader(file, rule: "GGUF-2")
    self.file = file
    files = [file]
    version = try Self.readVersion(&reader)
    let tensorCount = try Self.readCount(&reader, "the tensor count")
    let keyCount = try Self.readCount(&reader, "the key count")
    try Self.check(keyCount, of: "keys", minimumSize: 14, in: reader)
    metadata = try Self.readMetadata(&reader, count: keyCount)
    alignment = try ggufAlignment(metadata, file: file.path)
    try Self.check(tensorCount, of: "tensors", minimumSize: 25, in: reader)
    let infos = try Self.readInfos(&reader, count: tensorCount)
    let layout = GGUFLayout(file: file, alignment: alignment, dataStart: padded(reader.offset, to: alignment))
    tensors = try layout.tensors(infos)
  }

  private static func readVersion(_ reader: inout ByteReader) throws(LMToolError) -> Int {
    let magic = try reader.bytes(4, "the magic")
    guard magic == Array("GGUF".utf8) else {
      throw LMToolError(.badInput, "it does not begin with GGUF", file: reader.file.path, at: .offset(0), rule: "GGUF-1")
    }
    let version = try reader.integer(UInt32.self, "the version")
    switch version {
    case 2, 3: return Int(version)
    case 1: throw wrongVersion("version 1 is not supported; convert the file with an older llama.cpp or download a newer one")
    case let other where other & 0xFFFF == 0: throw wrongVersion("this is a big-endian file; use a little-endian one")
    default: throw wrongVersion("version \(version) is not supported; versions 2 and 3 are")
    }
    func wrongVersion(_ message: String) -> LMToolError {
      LMToolError(.badInput, message, file: reader.file.path, at: .offset(4), rule: "GGUF-1")
    }
  }

  private static func readCount(_ reader: inout ByteReader, _ what: String) throws(LMToolError) -> UInt64 {
    try reader.integer(UInt64.self, what)
  }

  private static func check(
    _ count: UInt64, of what: String, minimumSize: Int, in reader: ByteReader
  ) throws(LMToolError) {
    guard count <= UInt64(reader.remaining / minimumSize) else {
      throw LMToolError(
        .badInput, "the file claims \(count) \(what), but \(reader.remaining) bytes are left; it is truncated or damaged",
        file: reader.file.path, at: .offset(reader.offset), rule: "GGUF-3")
    }
  }

  private static func readMetadata(
    _ reader: inout ByteReader, count: UInt64
  ) throws(LMToolError) -> OrderedDictionary<String, GGUFValue> {
    var metadata: OrderedDictionary<String, GGUFValue> = [:]
    for _ in 0..<count {
      let start = reader.offset
      let key = try reader.ggufText("a key", limit: 65_535, rule: "GGUF-4")
      guard !key.isEmpty, metadata.updateValue(try reader.ggufValue(), forKey: key) == nil else {
        throw LMToolError(
          .badInput, key.isEmpty ? "a key is empty" : "the key \(key.printable) occurs twice", file: reader.file.path,
          at: .offset(start), rule: "GGUF-4")
      }
    }
    return metadata
  }

  private static func readInfos(_ reader: inout ByteReader, count: UInt64) throws(LMToolError) -> [GGUFTensorInfo] {
    var infos: [GGUFTensorInfo] = []
    infos.reserveCapacity(Int(count))
    for _ in 0..<count { infos.append(try GGUFTensorInfo(&reader)) }
    return infos
  }
}

/// `general.alignment` of metadata, 32 without it. Rule GGUF-7.
func ggufAlignment(_ metadata: OrderedDictionary<String, GGUFValue>, file: String) throws(LMToolError) -> Int {
  let key = "general.alignment"
  guard let value = metadata[key] else { return 32 }
  guard case .uint32(let alignment) = value, alignment > 0, alignment <= 1 << 16, alignment & (alignment - 1) == 0 else {
    throw LMToolError(
      .badInput, "the alignment must be a u32 and a power of two up to 65536", file: file, at: .key(key), rule: "GGUF-7")
  }
  return Int(alignment)
}

/// The smallest multiple of `alignment` that is not below `offset`, an offset in a file.
func padded(_ offset: Int, to alignment: Int) -> Int { (offset + alignment - 1) / alignment * alignment }
