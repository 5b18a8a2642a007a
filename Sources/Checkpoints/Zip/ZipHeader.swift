import Tensors

/// What the directory of a ZIP archive says of a member. Rules ZIP-3, ZIP-4 and ZIP-7.
struct ZipHeader {
  /// Bytes without name, extra field and comment.
  static let size = 46
  /// Flag bits of members that are encrypted (0, 6, 13) or patches (5).
  private static let refusedFlags: UInt16 = 0x2061
  private static let methods: [UInt16: String] = [
    8: "deflate", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 99: "encryption",
  ]

  let name: String
  let nameBytes: [UInt8]
  let flags: UInt16
  let method: UInt16
  /// How the content is packed; nil where it is stored as it is.
  let packing: String?
  /// Bytes of the content in the archive.
  let compressed: Int
  /// Bytes of the content when it is unpacked.
  let size: UInt64
  /// Where the local header is.
  let offset: UInt64

  /// Whether a data descriptor follows the content, so that the local header need not know the sizes.
  var hasDescriptor: Bool { flags & 8 != 0 }

  init(directory reader: inout ByteReader) throws(LMToolError) {
    let start = reader.offset, file = reader.file.path
    guard try reader.integer(UInt32.self, "a directory header") == 0x0201_4B50 else {
      throw LMToolError(.badInput, "this is no header of the directory", file: file, at: .offset(start), rule: "ZIP-3")
    }
    _ = try reader.take(4, "the versions")
    flags = try reader.integer(UInt16.self, "the flags")
    method = try reader.integer(UInt16.self, "the method")
    _ = try reader.take(8, "time and checksum")
    var compressed = UInt64(try reader.integer(UInt32.self, "the size"))
    var size = UInt64(try reader.integer(UInt32.self, "the size"))
    let lengths = try Self.lengths(&reader)
    var offset = UInt64(try reader.integer(UInt32.self, "the offset"))
    nameBytes = try reader.bytes(lengths.name, "the name")
    name = try Self.name(nameBytes, file, at: start)
    let extra = try reader.take(lengths.extra, "the extra field")
    try Zip64Extra.apply(reader.file, extra, to: &size, &compressed, &offset)
    _ = try reader.take(lengths.comment, "the comment")
    let isEncrypted = flags & Self.refusedFlags != 0
    packing = isEncrypted ? "encryption" : method == 0 ? nil : Self.methods[method] ?? "method \(method)"
    guard compressed <= UInt64(reader.file.count), packing != nil || size == compressed else {
      throw LMToolError(
        .badInput, "its \(compressed) stored bytes are not the \(size) that it has, or more than the file", file: file,
        at: .key(name), rule: "ZIP-7")
    }
    self.compressed = Int(compressed)
    self.size = size
    self.offset = offset
  }

  private static func lengths(
    _ reader: inout ByteReader
  ) throws(LMToolError) -> (name: Int, extra: Int, comment: Int) {
    let name = try reader.integer(UInt16.self, "the length"), extra = try reader.integer(UInt16.self, "the length")
    let comment = try reader.integer(UInt16.self, "the length")
    let start = reader.offset
    guard try reader.integer(UInt16.self, "the disk") == 0 else {
      throw LMToolError(
        .badInput, "the member begins on another disk", file: reader.file.path, at: .offset(start), rule: "ZIP-1")
    }
    _ = try reader.take(6, "the attributes")
    return (Int(name), Int(extra), Int(comment))
  }

  private static func name(_ bytes: [UInt8], _ file: String, at offset: Int) throws(LMToolError) -> String {
    guard let name = String(validating: bytes, as: UTF8.self), !name.isEmpty, !bytes.contains(0), !name.contains("\\"),
      !name.hasPrefix("/"), !name.split(separator: "/").contains("..")
    else {
      throw LMToolError(
        .badInput, "the name of a member is empty, not UTF-8, or leads out of the archive", file: file, at: .offset(offset),
        rule: "ZIP-4")
    }
    return name
  }
}

/// The zip64 extra field, which holds the numbers that do not fit into 32 bits.
enum Zip64Extra {
  /// Replaces those of the numbers that are 2^32 - 1 by what the extra field in `range` says, in this order.
  static func apply(
    _ file: MappedFile, _ range: Range<Int>, to size: inout UInt64, _ compressed: inout UInt64, _ offset: inout UInt64
  ) throws(LMToolError) {
    let wide = UInt64(UInt32.max)
    guard size == wide || compressed == wide || offset == wide, var field = try content(file, range) else { return }
    if size == wide { size = try field.integer(UInt64.self, "the zip64 size") }
    if compressed == wide { compressed = try field.integer(UInt64.self, "the zip64 size") }
    if offset == wide { offset = try field.integer(UInt64.self, "the zip64 offset") }
  }

  private static func content(_ file: MappedFile, _ range: Range<Int>) throws(LMToolError) -> ByteReader? {
    var reader = ByteReader(file, range: range, rule: "ZIP-3")
    while reader.remaining >= 4 {
      let kind = try reader.integer(UInt16.self, "the extra field")
      let part = try reader.take(Int(try reader.integer(UInt16.self, "the extra field")), "the extra field")
      if kind == 1 { return ByteReader(file, range: part, rule: "ZIP-3") }
    }
    return nil
  }
}
