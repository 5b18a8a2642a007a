import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Hostile GGUF files: `formats/gguf.md`, and the classes of published vulnerabilities.
struct GGUFHostileTests {
  let folder = TestFolder()

  private func open(_ builder: GGUFBuilder) throws -> GGUFFile { try open(builder.file) }

  private func open(_ file: [UInt8]) throws -> GGUFFile { try GGUFFile(path: try folder.write("model.gguf", file)) }

  /// A file with the given metadata entries.
  private func file(metadata: [UInt8]...) -> GGUFBuilder { GGUFBuilder(metadata: metadata) }

  /// A file with the given tensor infos and 1 KiB of data.
  private func file(infos: [UInt8]...) -> GGUFBuilder {
    GGUFBuilder(infos: infos, data: [UInt8](repeating: 7, count: 1024))
  }

  @Test func readsVersions2And3() throws {
    for version: UInt32 in [2, 3] {
      var builder = file(infos: GGUFBuilder.info("a", [5, 2], .i8))
      builder.version = version
      let tensor = try #require(try open(builder).tensors["a"])
      #expect(tensor.shape == [2, 5])
      #expect(try tensor.readAll() == [Float](repeating: 7, count: 10))
    }
  }

  @Test func acceptsAnEmptyModel() throws {
    #expect(try open(GGUFBuilder()).tensors.isEmpty)
    #expect(try open(Array(GGUFBuilder().file.prefix(24))).metadata.isEmpty)
  }

  @Test(arguments: [1, 4, 0x0300_0000, 0] as [UInt32])
  func refusesOtherVersions(version: UInt32) {
    var builder = GGUFBuilder()
    builder.version = version
    expectRefusal("GGUF-1") { _ = try open(builder) }
  }

  @Test func refusesAWrongMagic() {
    var builder = GGUFBuilder()
    builder.magic = bytes("GGJT")
    expectRefusal("GGUF-1") { _ = try open(builder) }
  }

  @Test func refusesEveryTruncation() throws {
    var builder = file(infos: GGUFBuilder.info("a", [32], .q4_0), GGUFBuilder.info("b", [4], .f32, at: 32))
    builder.metadata = [
      GGUFBuilder.entry("k", 9, GGUFBuilder.array(8, count: 2, GGUFBuilder.string([1]) + GGUFBuilder.string([2, 3]))),
      GGUFBuilder.entry("l", 12, bytes(UInt64(0))),
    ]
    builder.data = [UInt8](repeating: 0, count: 48)
    for length in 0..<builder.file.count {
      #expect(throws: LMToolError.self, "\(length)") { try open(Array(builder.file[0..<length])) }
    }
    #expect(try open(builder).tensors.count == 2)
  }

  @Test(arguments: [1, 1 << 31, 1 << 60, .max, 1 << 63] as [UInt64])
  func refusesStringsThatDoNotFit(excess: UInt64) {
    let key = bytes(UInt64(100) | excess) + bytes("k")
    expectRefusal("GGUF-2") { _ = try open(file(metadata: key + bytes(UInt32(0)) + [0])) }
    expectRefusal("GGUF-2") { _ = try open(file(metadata: GGUFBuilder.entry("k", 8, bytes(UInt64(100) | excess)))) }
    expectRefusal("GGUF-2") { _ = try open(file(infos: bytes(UInt64(2000) | excess) + bytes("nnnnnnnnnnnnnnnnnnnnnnnn"))) }
  }

  @Test(arguments: [0, 1, 4, 6, 7, 8, 9, 10, 12] as [UInt32], [1 << 20, 1 << 31, 1 << 61, 1 << 63, .max] as [UInt64])
  func refusesArraysThatDoNotFit(kind: UInt32, count: UInt64) {
    let array = GGUFBuilder.array(kind, count: count, [UInt8](repeating: 0, count: 64))
    expectRefusal("GGUF-2") { _ = try open(file(metadata: GGUFBuilder.entry("k", 9, array))) }
  }

  @Test(arguments: [2, 1 << 31, 1 << 60, .max, 1 << 63] as [UInt64])
  func refusesCountsThatDoNotFit(count: UInt64) {
    var keys = file(metadata: GGUFBuilder.entry("k", 0, [1]))
    keys.keyCount = count == 2 ? 10 : count
    expectRefusal("GGUF-3") { _ = try open(keys) }
    var tensors = GGUFBuilder()
    tensors.tensorCount = count
    expectRefusal("GGUF-3") { _ = try open(tensors) }
  }

  @Test func refusesBadKeys() {
    let value = bytes(UInt32(0)) + [1]
    expectRefusal("GGUF-4") { _ = try open(file(metadata: GGUFBuilder.string([]) + value + value)) }
    expectRefusal("GGUF-4") { _ = try open(file(metadata: GGUFBuilder.string([0xC3, 0x28]) + value)) }
    expectRefusal("GGUF-4") { _ = try open(file(metadata: GGUFBuilder.string([UInt8](repeating: 97, count: 65_536)) + value)) }
    let twice = GGUFBuilder.entry("k", 0, [1])
    expectRefusal("GGUF-4") { _ = try open(file(metadata: twice, twice)) }
  }

  @Test func refusesBadValues() {
    expectRefusal("GGUF-5") { _ = try open(file(metadata: GGUFBuilder.entry("k", 13, [1, 0, 0, 0]))) }
    expectRefusal("GGUF-5") { _ = try open(file(metadata: GGUFBuilder.entry("k", 7, [2]))) }
    expectRefusal("GGUF-5") { _ = try open(file(metadata: GGUFBuilder.entry("k", 9, GGUFBuilder.array(7, count: 2, [1, 2])))) }
    expectRefusal("GGUF-5") { _ = try open(file(metadata: GGUFBuilder.entry("k", 9, GGUFBuilder.array(13, count: 0, [])))) }
    expectRefusal("GGUF-5") { _ = try open(file(metadata: GGUFBuilder.entry("k", 8, GGUFBuilder.string([0xFF])))) }
  }

  @Test func keepsTokensThatAreNotText() throws {
    let array = GGUFBuilder.array(8, count: 1, GGUFBuilder.string([0xFF, 0]))
    #expect(try open(file(metadata: GGUFBuilder.entry("k", 9, array))).metadata["k"]?.strings == [[0xFF, 0]])
  }

  @Test func refusesNestedArrays() {
    let inner = GGUFBuilder.array(0, count: 1, [1])
    expectRefusal("GGUF-6") { _ = try open(file(metadata: GGUFBuilder.entry("k", 9, GGUFBuilder.array(9, count: 1, inner)))) }
  }

  @Test(arguments: [0, 3, 48, 1 << 17, 1 << 31] as [UInt32])
  func refusesBadAlignments(alignment: UInt32) {
    expectRefusal("GGUF-7") { _ = try open(file(metadata: GGUFBuilder.entry("general.alignment", 4, bytes(alignment)))) }
  }

  @Test func refusesAnAlignmentOfAnotherKind() {
    expectRefusal("GGUF-7") { _ = try open(file(metadata: GGUFBuilder.entry("general.alignment", 10, bytes(UInt64(32))))) }
    expectRefusal("GGUF-7") { _ = try open(file(metadata: GGUFBuilder.entry("general.alignment", 8, GGUFBuilder.string([51])))) }
  }

  @Test func honoursTheAlignment() throws {
    var builder = file(infos: GGUFBuilder.info("a", [1], .i8, at: 64))
    builder.metadata = [GGUFBuilder.entry("general.alignment", 4, bytes(UInt32(64)))]
    builder.alignment = 64
    builder.data[64] = 9
    #expect(try open(builder).tensors["a"]?.readAll() == [9])
    builder.infos = [GGUFBuilder.info("a", [1], .i8, at: 32)]
    expectRefusal("GGUF-11") { _ = try open(builder) }
  }

  @Test func refusesBadTensorNames() {
    expectRefusal("GGUF-8") { _ = try open(file(infos: GGUFBuilder.info("", [1], .i8))) }
    expectRefusal("GGUF-8") { _ = try open(file(infos: GGUFBuilder.info(String(repeating: "n", count: 65), [1], .i8))) }
    let twice = [GGUFBuilder.info("a", [1], .i8), GGUFBuilder.info("a", [1], .i8, at: 32)]
    expectRefusal("GGUF-8") { _ = try open(file(infos: twice[0], twice[1])) }
  }

  @Test(
    arguments: [
      [1 << 32, 1 << 32], [1 << 63], [.max, .max], [1 << 62, 2], [1, 1 << 62, 4], [(1 << 62) + 1, 4], [1 << 31, 1 << 31, 2, 1],
    ] as [[UInt64]])
  func refusesShapesThatOverflow(dimensions: [UInt64]) {
    let error = expectRefusal("GGUF-9") { _ = try open(file(infos: GGUFBuilder.info("a", dimensions, .f32))) }
    #expect(error?.place == .tensor("a"))
  }

  @Test func refusesTooManyDimensions() {
    expectRefusal("GGUF-9") { _ = try open(file(infos: GGUFBuilder.info("a", [1, 1, 1, 1, 1], .f32))) }
    expectRefusal("GGUF-9") { _ = try open(file(infos: GGUFBuilder.info("a", [1], 0, dimensionCount: .max))) }
  }

  /// The shape whose true size is exabytes although its low bits look small (CVE-2026-33298).
  @Test func refusesQuantizedShapesThatOverflow() {
    expectRefusal("GGUF-9") { _ = try open(file(infos: GGUFBuilder.info("a", [1 << 62, 32], .q4_0))) }
    expectRefusal("GGUF-11") { _ = try open(file(infos: GGUFBuilder.info("a", [1 << 62], .q4_0))) }
  }

  @Test(arguments: [4, 5, 31, 33, 36, 43, .max] as [UInt32])
  func refusesUnknownTypes(type: UInt32) {
    expectRefusal("GGUF-10") { _ = try open(file(infos: GGUFBuilder.info("a", [32], type))) }
  }

  @Test(arguments: [(1, .q4_0), (33, .q8_0), (32, .q4_K), (255, .iq4_XS)] as [(UInt64, GGMLType)])
  func refusesRowsThatAreNoWholeBlocks(length: UInt64, type: GGMLType) {
    expectRefusal("GGUF-10") { _ = try open(file(infos: GGUFBuilder.info("a", [length, 32], type))) }
  }

  @Test(arguments: [1, 33, 1056, 1 << 32, 1 << 63, .max - 31] as [UInt64])
  func refusesOffsetsThatAreMisalignedOrOutside(offset: UInt64) {
    expectRefusal("GGUF-11") { _ = try open(file(infos: GGUFBuilder.info("a", [4], .f32, at: offset))) }
  }

  @Test func refusesTensorsThatReachPastTheEnd() {
    expectRefusal("GGUF-11") { _ = try open(file(infos: GGUFBuilder.info("a", [257], .f32))) }
    expectRefusal("GGUF-11") { _ = try open(file(infos: GGUFBuilder.info("a", [9], .f32, at: 992))) }
  }

  @Test func refusesOverlaps() {
    let infos = [GGUFBuilder.info("a", [64], .i8, at: 32), GGUFBuilder.info("b", [33], .i8)]
    let error = expectRefusal("GGUF-12") { _ = try open(file(infos: infos[0], infos[1])) }
    #expect(error?.place == .tensor("a"))
  }

  @Test func acceptsTensorsWithoutElements() throws {
    let infos = [GGUFBuilder.info("a", [0, 4], .f32), GGUFBuilder.info("b", [4], .i8), GGUFBuilder.info("c", [], .i8, at: 32)]
    let file = try open(file(infos: infos[0], infos[1], infos[2]))
    #expect(try file.tensors["a"]?.readAll() == [])
    #expect(file.tensors["a"]?.shape == [4, 0])
    #expect(try file.tensors["c"]?.readAll() == [7])
  }

  /// Every single-byte change of a small file either opens or is refused, and what opens can be read.
  @Test func survivesEveryFlippedByte() throws {
    var builder = file(infos: GGUFBuilder.info("a", [32], .q4_1), GGUFBuilder.info("b", [4], .f16, at: 32))
    builder.metadata = [
      GGUFBuilder.entry("general.alignment", 4, bytes(UInt32(32))),
      GGUFBuilder.entry("k", 9, GGUFBuilder.array(8, count: 2, GGUFBuilder.string([1]) + GGUFBuilder.string([2, 3]))),
    ]
    builder.data = [UInt8](repeating: 0, count: 64)
    let whole = builder.file
    for index in 0..<(whole.count - builder.data.count) {
      for mask: UInt8 in [1, 0x80, 0xFF] {
        var damaged = whole
        damaged[index] ^= mask
        guard let file = try? open(damaged) else { continue }
        for tensor in file.tensors.values where tensor.type.isReadable { #expect(try tensor.readAll().count == tensor.count) }
      }
    }
  }
}
