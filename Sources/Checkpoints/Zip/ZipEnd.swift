import Tensors

/// The end of a ZIP archive: where the directory is, and how many members it has. Rules ZIP-1 to ZIP-3.
struct ZipEnd {
  /// Where the directory is.
  let directory: Range<Int>
  /// The number of members.
  let count: Int

  private static let size = 22, locatorSize = 20, zip64Size = 56

  /// The fields that both kinds of end record have.
  private struct Fields {
    var countHere, count, size, offset: UInt64
  }

  init(_ file: MappedFile) throws(LMToolError) {
    guard file.begins(with: ZipArchive.magic), file.count >= Self.size else {
      throw Self.broken(1, "the file does not begin with a member of a ZIP archive", file, at: 0)
    }
    let start = file.count - Self.size
    let fields = try Self.end(file, at: start)
    let zip64 = try Self.zip64(file, before: start)
    if let zip64 { try Self.check(fields, against: zip64.fields, file, at: start) }
    let real = zip64?.fields ?? fields, limit = zip64?.start ?? start
    guard real.countHere == real.count, real.size <= UInt64(limit), real.offset == UInt64(limit) - real.size,
      real.count <= real.size / UInt64(ZipHeader.size)
    else {
      throw Self.broken(
        3, "\(real.count) members in \(real.size) bytes at \(real.offset) are no directory that ends at \(limit)", file, at: start
      )
    }
    directory = Int(real.offset)..<limit
    count = Int(real.count)
  }

  private static func end(_ file: MappedFile, at start: Int) throws(LMToolError) -> Fields {
    var reader = ByteReader(file, range: start..<file.count, rule: "ZIP-1")
    let signature = try reader.integer(UInt32.self, "the end record")
    let disk = try reader.integer(UInt16.self, "the disk"), directoryDisk = try reader.integer(UInt16.self, "the disk")
    let countHere = try reader.integer(UInt16.self, "the count"), count = try reader.integer(UInt16.self, "the count")
    let size = try reader.integer(UInt32.self, "the size"), offset = try reader.integer(UInt32.self, "the offset")
    let comment = try reader.integer(UInt16.self, "the comment")
    guard signature == 0x0605_4B50, disk == 0, directoryDisk == 0, comment == 0 else {
      throw broken(
        1, "the file does not end with the end record of a ZIP archive of one disk without a comment; it is truncated or damaged",
        file, at: start)
    }
    return Fields(countHere: UInt64(countHere), count: UInt64(count), size: UInt64(size), offset: UInt64(offset))
  }

  /// The zip64 record that a locator before `end` leads to, and where it is; nil without a locator.
  private static func zip64(_ file: MappedFile, before end: Int) throws(LMToolError) -> (fields: Fields, start: Int)? {
    let locator = end - locatorSize, start = locator - zip64Size
    guard locator >= 0 else { return nil }
    var reader = ByteReader(file, range: locator..<end, rule: "ZIP-2")
    guard try reader.integer(UInt32.self, "the locator") == 0x0706_4B50 else { return nil }
    let disk = try reader.integer(UInt32.self, "the disk"), offset = try reader.integer(UInt64.self, "the offset")
    let disks = try reader.integer(UInt32.self, "the disks")
    guard disk == 0, disks <= 1, start >= 0, offset == UInt64(start) else {
      throw broken(2, "the locator does not lead to a zip64 record right before it", file, at: locator)
    }
    return (try record(file, start..<locator), start)
  }

  private static func record(_ file: MappedFile, _ range: Range<Int>) throws(LMToolError) -> Fields {
    var reader = ByteReader(file, range: range, rule: "ZIP-2")
    let signature = try reader.integer(UInt32.self, "the zip64 record"), size = try reader.integer(UInt64.self, "its size")
    _ = try reader.take(4, "the versions")
    let disk = try reader.integer(UInt32.self, "the disk"), directoryDisk = try reader.integer(UInt32.self, "the disk")
    guard signature == 0x0606_4B50, size == UInt64(zip64Size - 12), disk == 0, directoryDisk == 0 else {
      throw broken(2, "the zip64 record is not one of 56 bytes for one disk", file, at: range.lowerBound)
    }
    return Fields(
      countHere: try reader.integer(UInt64.self, "the count"), count: try reader.integer(UInt64.self, "the count"),
      size: try reader.integer(UInt64.self, "the size"), offset: try reader.integer(UInt64.self, "the offset"))
  }

  private static func check(_ end: Fields, against zip64: Fields, _ file: MappedFile, at start: Int) throws(LMToolError) {
    let narrow = UInt64(UInt16.max), wide = UInt64(UInt32.max)
    guard end.countHere == zip64.countHere || end.countHere == narrow, end.count == zip64.count || end.count == narrow,
      end.size == zip64.size || end.size == wide, end.offset == zip64.offset || end.offset == wide
    else { throw broken(2, "the end record contradicts the zip64 record", file, at: start) }
  }

  private static func broken(_ rule: Int, _ message: String, _ file: MappedFile, at offset: Int) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .offset(offset), rule: "ZIP-\(rule)")
  }
}
