import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Archives: ZIP-1 to ZIP-7 of `formats/zip.md`, by way of NumPy's, whose members are the simplest.
struct ZipTests {
  let folder = TestFolder()

  /// One byte as an `.npy` file.
  static func array(_ value: UInt8) -> [UInt8] {
    let header = bytes("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }\n")
    return [0x93] + bytes("NUMPY") + [1, 0] + bytes(UInt16(header.count)) + header + [value]
  }

  private func archive() -> ZipBuilder { ZipBuilder([("a.npy", Self.array(1)), ("b.npy", Self.array(2))]) }

  private func open(_ archive: ZipBuilder) throws -> NumPyCheckpoint {
    try NumPyCheckpoint(path: try folder.write("model.npz", archive.file))
  }

  private func expect(_ rule: String, sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout ZipBuilder) -> Void) {
    var archive = archive()
    change(&archive)
    expectRefusal(rule, sourceLocation: sourceLocation) { _ = try open(archive) }
  }

  private func expectSound(_ archive: ZipBuilder, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let checkpoint = try open(archive)
    #expect(Array(checkpoint.readers.keys) == ["a", "b"], sourceLocation: sourceLocation)
    #expect(try checkpoint.readers.values.map { try $0.readAll() } == [[1], [2]], sourceLocation: sourceLocation)
  }

  @Test func readsStoredMembers() throws { try expectSound(archive()) }

  @Test func readsZip64() throws {
    var archive = archive()
    archive.isZip64 = true
    try expectSound(archive)
    (archive.count, archive.directorySize, archive.directoryOffset) = (0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF)
    try expectSound(archive)
    let size = UInt64(archive.members[1].content.count)
    archive.members[1].compressed = 0xFFFF_FFFF
    archive.members[1].size = 0xFFFF_FFFF
    archive.members[1].extra = bytes(UInt16(1)) + bytes(UInt16(16)) + bytes(size) + bytes(size)
    archive.members[1].localSize = 0xFFFF_FFFF
    archive.members[1].localExtra = bytes(UInt16(0x4246)) + bytes(UInt16(1)) + [0] + archive.members[1].extra
    try expectSound(archive)
  }

  @Test func readsSizesThatFollowTheContent() throws {
    var archive = archive()
    archive.members[0].flags = 0x808
    archive.members[0].localSize = 0
    try expectSound(archive)
  }

  @Test func theEndMustBeTheEnd() {
    expect("ZIP-1") { $0.comment = [1] }
    for cut in [1, 21, 22, 60, 200] {
      expectRefusal("ZIP-1") {
        _ = try NumPyCheckpoint(path: try folder.write("cut.npz", Array(archive().file.dropLast(cut))))
      }
    }
  }

  @Test func zip64MustAgree() {
    expect("ZIP-2") { ($0.isZip64, $0.count) = (true, 3) }
    expect("ZIP-2") { ($0.isZip64, $0.directorySize) = (true, 3) }
    expect("ZIP-2") { ($0.isZip64, $0.zip64Offset) = (true, 0) }
    expect("ZIP-2") { ($0.isZip64, $0.zip64Offset) = (true, .max) }
    expect("ZIP-3") { ($0.isZip64, $0.zip64Count, $0.count) = (true, .max, 0xFFFF) }
  }

  @Test func theDirectoryMustBeWhole() {
    expect("ZIP-3") { $0.count = 1 }
    expect("ZIP-3") { $0.count = 3 }
    expect("ZIP-3") { $0.count = 0xFFFF }
    expect("ZIP-3") { $0.directoryOffset = 0 }
    expect("ZIP-3") { $0.directorySize = 0xFFFF_FFF0 }
    expect("ZIP-3") { $0.afterDirectory = [0] }
  }

  @Test(arguments: ["", "/a.npy", "../a.npy", "x/../a.npy", "a\\b.npy", "a\0.npy"])
  func namesMustStayInside(name: String) {
    expect("ZIP-4") { $0.members[0].name = name }
  }

  @Test func namesMustBeUnique() { expect("ZIP-4") { $0.members[0].name = "b.npy" } }

  @Test func localHeadersMustAgree() {
    expect("ZIP-5") { $0.members[0].localName = "c.npy" }
    expect("ZIP-5") { $0.members[0].localFlags = 1 }
    expect("ZIP-5") { $0.members[0].localSize = 3 }
    expect("ZIP-5") { $0.members[0].localSize = 0 }
    expect("ZIP-5") { $0.members[1].offset = 4 }
  }

  @Test func membersMustNotOverlap() {
    expect("ZIP-6") { $0.members[1] = ZipBuilder.Member(name: "b.npy", content: [], localName: "b.npy", offset: 0xFFFF_0000) }
    // The first member goes on over the second.
    expect("ZIP-6") {
      let longer = UInt32($0.members[0].content.count + 40)
      ($0.members[0].size, $0.members[0].compressed, $0.members[0].localSize) = (longer, longer, longer)
    }
  }

  @Test func membersMustBeStored() {
    for method: UInt16 in [8, 9, 12, 14, 93, 95, 99, 1000] { expect("ZIP-7") { $0.members[0].method = method } }
    for flag: UInt16 in [1, 0x20, 0x40, 0x2000] { expect("ZIP-7") { $0.members[0].flags = flag } }
    expect("ZIP-7") { $0.members[0].size = 5 }
    expect("ZIP-7") { ($0.members[0].size, $0.members[0].compressed) = (0xFFFF_FFFE, 0xFFFF_FFFE) }
  }

  @Test func truncatedFieldsAreRefused() {
    expect("ZIP-3") {
      ($0.members[0].size, $0.members[0].compressed) = (0xFFFF_FFFF, 0xFFFF_FFFF)
      $0.members[0].extra = bytes(UInt16(1)) + bytes(UInt16(4)) + bytes(UInt32(1))
    }
    expect("ZIP-3") {
      ($0.members[0].size, $0.members[0].compressed) = (0xFFFF_FFFF, 0xFFFF_FFFF)
      $0.members[0].extra = bytes(UInt16(1)) + bytes(UInt16(400))
    }
  }
}
