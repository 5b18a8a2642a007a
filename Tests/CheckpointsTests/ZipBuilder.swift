import TestSupport

/// Builds ZIP archives, sound ones and others: every number can be made to lie.
struct ZipBuilder {
  struct Member {
    var name: String
    var content: [UInt8]
    var method: UInt16 = 0
    var flags: UInt16 = 0
    /// What the local header says, where that is something else.
    var localName: String?
    var localFlags: UInt16?
    var localSize: UInt32?
    /// What the directory says.
    var size: UInt32?
    var compressed: UInt32?
    var offset: UInt32?
    var extra: [UInt8] = []
    var localExtra: [UInt8] = []
  }

  var members: [Member] = []
  /// Whether a zip64 record and its locator come before the end record.
  var isZip64 = false
  /// What the end record says, where that is something else.
  var count: UInt16?
  var directorySize: UInt32?
  var directoryOffset: UInt32?
  var comment: [UInt8] = []
  var zip64Offset: UInt64?
  var zip64Count: UInt64?
  var afterDirectory: [UInt8] = []

  /// An archive of sound members.
  init(_ members: [(String, [UInt8])]) { self.members = members.map { Member(name: $0.0, content: $0.1) } }

  /// The bytes of the file.
  var file: [UInt8] {
    var file: [UInt8] = [], directory: [UInt8] = []
    for member in members {
      let offset = UInt32(file.count)
      file += local(member) + member.content
      directory += header(member, offset: member.offset ?? offset)
    }
    directory += afterDirectory
    return file + directory + end(directory.count, at: file.count)
  }

  private func local(_ member: Member) -> [UInt8] {
    let name = bytes(member.localName ?? member.name), size = member.localSize ?? UInt32(member.content.count)
    return [0x50, 0x4B, 3, 4] + bytes(UInt16(20)) + bytes(member.localFlags ?? member.flags) + bytes(member.method)
      + bytes(UInt64(0)) + bytes(size) + bytes(size) + bytes(UInt16(name.count)) + bytes(UInt16(member.localExtra.count)) + name
      + member.localExtra
  }

  private func header(_ member: Member, offset: UInt32) -> [UInt8] {
    let name = bytes(member.name), size = UInt32(member.content.count)
    return [0x50, 0x4B, 1, 2] + bytes(UInt32(20)) + bytes(member.flags) + bytes(member.method) + bytes(UInt64(0))
      + bytes(member.compressed ?? size) + bytes(member.size ?? size) + bytes(UInt16(name.count))
      + bytes(UInt16(member.extra.count)) + bytes(UInt16(0)) + bytes(UInt16(0)) + [UInt8](repeating: 0, count: 6) + bytes(offset)
      + name + member.extra
  }

  private func end(_ size: Int, at offset: Int) -> [UInt8] {
    let number = count ?? UInt16(members.count)
    return (isZip64 ? zip64(size, at: offset) : []) + [0x50, 0x4B, 5, 6] + bytes(UInt32(0)) + bytes(number) + bytes(number)
      + bytes(directorySize ?? UInt32(size)) + bytes(directoryOffset ?? UInt32(offset)) + bytes(UInt16(comment.count)) + comment
  }

  private func zip64(_ size: Int, at offset: Int) -> [UInt8] {
    let number = zip64Count ?? UInt64(members.count)
    let record = [0x50, 0x4B, 6, 6] + bytes(UInt64(44)) + bytes(UInt32(0)) + bytes(UInt64(0)) + bytes(number) + bytes(number)
    return record + bytes(UInt64(size)) + bytes(UInt64(offset)) + [0x50, 0x4B, 6, 7] + bytes(UInt32(0))
      + bytes(zip64Offset ?? UInt64(offset + size)) + bytes(UInt32(1))
  }
}
