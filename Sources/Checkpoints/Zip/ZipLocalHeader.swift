import Tensors

/// The header before the content of a member, which must say what the directory says. Rules ZIP-5 and ZIP-6.
enum ZipLocalHeader {
  /// Checks the local header of a member, and returns where the member is: from its local header to the end of its content.
  static func check(_ header: ZipHeader, _ file: MappedFile, before end: Int) throws(LMToolError) -> Range<Int> {
    guard header.offset <= UInt64(end) else { throw broken(6, "it begins at \(header.offset), beyond the members", header, file) }
    let start = Int(header.offset)
    var reader = ByteReader(file, range: start..<end, rule: "ZIP-6")
    guard try reader.integer(UInt32.self, "a local header") == 0x0403_4B50 else {
      throw broken(5, "there is no local header at \(start)", header, file)
    }
    _ = try reader.take(2, "the version")
    let flags = try reader.integer(UInt16.self, "the flags"), method = try reader.integer(UInt16.self, "the method")
    _ = try reader.take(8, "time and checksum")
    var compressed = UInt64(try reader.integer(UInt32.self, "the size"))
    var size = UInt64(try reader.integer(UInt32.self, "the size"))
    let nameLength = try reader.integer(UInt16.self, "the length"), extraLength = try reader.integer(UInt16.self, "the length")
    let name = try reader.bytes(Int(nameLength), "the name")
    guard flags == header.flags, method == header.method, name == header.nameBytes else {
      throw broken(5, "its local header at \(start) contradicts the directory", header, file)
    }
    let extra = try reader.take(Int(extraLength), "the extra field")
    var none: UInt64 = 0
    try Zip64Extra.apply(file, extra, to: &size, &compressed, &none)
    let isDeferred = header.hasDescriptor && size == 0 && compressed == 0
    guard isDeferred || size == header.size && compressed == UInt64(header.compressed) else {
      throw broken(5, "its local header says that it has \(size) bytes, the directory \(header.size)", header, file)
    }
    return start..<(try reader.take(header.compressed, "the content").upperBound)
  }

  private static func broken(_ rule: Int, _ message: String, _ header: ZipHeader, _ file: MappedFile) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .key(header.name), rule: "ZIP-\(rule)")
  }
}
