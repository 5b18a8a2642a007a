import OrderedCollections
import Tensors

/// A member of a ZIP archive.
struct ZipMember: Sendable, Equatable {
  /// The name in the archive, with slashes between its parts.
  let name: String
  /// Where in the file its content is, as it is stored.
  let range: Range<Int>
  /// How the content is packed; nil where it is stored as it is, so that it is a stretch of the file.
  let packing: String?
}

/// The members of a ZIP archive as PyTorch and NumPy write it. The rules are those of `formats/zip.md`.
struct ZipArchive: Sendable {
  /// What every local header begins with.
  static let magic: [UInt8] = [0x50, 0x4B, 3, 4]

  let file: MappedFile
  /// The members by name, in the order of the directory.
  let members: OrderedDictionary<String, ZipMember>

  /// Reads and checks the directory of `file`.
  ///
  /// - Throws: `badInput` with the rule that the file breaks.
  init(_ file: MappedFile) throws(LMToolError) {
    let end = try ZipEnd(file)
    var reader = ByteReader(file, range: end.directory, rule: "ZIP-3")
    var members: OrderedDictionary<String, ZipMember> = [:]
    var extents: [Range<Int>] = []
    for _ in 0..<end.count {
      let header = try ZipHeader(directory: &reader)
      let extent = try ZipLocalHeader.check(header, file, before: end.directory.lowerBound)
      let content = (extent.upperBound - header.compressed)..<extent.upperBound
      let member = ZipMember(name: header.name, range: content, packing: header.packing)
      guard members.updateValue(member, forKey: header.name) == nil else {
        throw LMToolError(.badInput, "the member occurs twice", file: file.path, at: .key(header.name), rule: "ZIP-4")
      }
      extents.append(extent)
    }
    guard reader.remaining == 0 else {
      throw LMToolError(
        .badInput, "the directory has \(reader.remaining) bytes more than the \(end.count) members take", file: file.path,
        at: .offset(reader.offset), rule: "ZIP-3")
    }
    try Self.checkOverlaps(extents, file)
    self.file = file
    self.members = members
  }

  /// Where the content of a member is; nil when there is no such member.
  ///
  /// - Throws: `badInput` when the content is not stored as it is (ZIP-7).
  func content(of name: String) throws(LMToolError) -> Range<Int>? {
    guard let member = members[name] else { return nil }
    if let packing = member.packing {
      throw LMToolError(
        .badInput,
        "it is packed with \(packing); unpack the archive and pack it again without compression, or save the model again",
        file: file.path, at: .key(name), rule: "ZIP-7")
    }
    return member.range
  }

  /// The name in the first local header, where there is a whole one: for telling what a damaged archive was.
  static func firstName(_ file: MappedFile) -> String? {
    var reader = ByteReader(file, rule: "ZIP-1")
    guard file.begins(with: magic), (try? reader.take(26, "the header")) != nil,
      let length = try? reader.integer(UInt16.self, "the length"), (try? reader.take(2, "the length")) != nil,
      let name = try? reader.bytes(Int(length), "the name")
    else { return nil }
    return String(validating: name, as: UTF8.self)
  }

  private static func checkOverlaps(_ extents: [Range<Int>], _ file: MappedFile) throws(LMToolError) {
    var end = 0
    for extent in extents.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      guard extent.lowerBound >= end else {
        throw LMToolError(
          .badInput, "two members share bytes", file: file.path, at: .offset(extent.lowerBound), rule: "ZIP-6")
      }
      end = extent.upperBound
    }
  }
}
