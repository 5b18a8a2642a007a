import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// GGML before GGUF: GGML-1 to 5 of `formats/ggml.md`. The values of the fixtures as a model are in ModelsTests.
struct LegacyGGMLTests {
  let folder = TestFolder()
  static let versions = ["ggml", "ggmf", "ggjt1", "ggjt2", "ggjt3"]

  private func open(_ file: [UInt8]) throws -> LegacyGGMLFile { try LegacyGGMLFile(path: try folder.write("model.bin", file)) }

  /// A file of one token and one tensor, as numbers and bytes.
  private func file(
    magic: UInt32 = 0x6767_6A74, version: UInt32 = 2, parameters: [Int32] = [1, 32, 256, 4, 1, 8, 2], dimensions: UInt32 = 1,
    nameLength: UInt32? = nil, type: UInt32 = 2, shape: [UInt32] = [32], name: String = "norm.weight", data: Int = 20
  ) -> [UInt8] {
    var file = bytes(magic) + bytes(version) + parameters.flatMap { bytes($0) } + bytes(UInt32(1)) + [65] + bytes([Float(0)])
    file +=
      bytes(dimensions) + bytes(nameLength ?? UInt32(name.utf8.count)) + bytes(type) + shape.flatMap { bytes($0) } + bytes(name)
    file += [UInt8](repeating: 0, count: (32 - file.count % 32) % 32 + data)
    return file
  }

  @Test func theBuilderBuildsSoundFiles() throws {
    #expect(try open(file()).readers["norm.weight"]?.readAll() == [Float](repeating: 0, count: 32))
    #expect(try open(file()).vocabulary.map(\.bytes) == [[65]] && open(file()).vocabulary.map(\.score) == [0])
  }

  @Test(arguments: versions) func cutsAnyRangeOutOfBlocks(name: String) throws {
    for tensor in try LegacyGGMLFile(path: Fixtures.path("ggml/\(name).bin")).readers.values {
      let whole = try tensor.readAll()
      for range in [0..<1, 1..<31, 31..<32, 32..<32] { #expect(try read(tensor, range) == Array(whole[range])) }
      if whole.count > 100 { #expect(try read(tensor, 20..<99) == Array(whole[20..<99])) }
    }
  }

  @Test func versionsMustBeKnown() {
    for version: UInt32 in [0, 4, .max] { expectRefusal("GGML-1") { _ = try open(file(version: version)) } }
    expectRefusal("GGML-1") { _ = try open(file(magic: 0x6767_6D66, version: 2)) }
  }

  @Test(
    arguments: [
      [0, 32, 256, 4, 1, 8, 2], [-1, 32, 256, 4, 1, 8, 2], [1, 0, 256, 4, 1, 8, 2], [1, 32, 256, 0, 1, 8, 2],
      [1, 32, 256, 4, 0, 8, 2],
      [1, 32, 256, 4, 5000, 8, 2], [.max, 32, 256, 4, 1, 8, 2], [1 << 24, 32, 256, 4, 1, 8, 2], [9, 32, 256, 4, 1, 8, 2],
    ] as [[Int32]])
  func parametersMustBePossible(parameters: [Int32]) { expectRefusal("GGML-2") { _ = try open(file(parameters: parameters)) } }

  @Test func tensorsMustBePossible() {
    for dimensions: UInt32 in [0, 3, .max] { expectRefusal("GGML-3") { _ = try open(file(dimensions: dimensions)) } }
    for length: UInt32 in [0, 257, .max] { expectRefusal("GGML-3") { _ = try open(file(nameLength: length)) } }
    for type: UInt32 in [4, 5, 9, 10, .max] { expectRefusal("GGML-3") { _ = try open(file(type: type)) } }
    for type: UInt32 in [4, 5, 16, .max] { expectRefusal("GGML-3") { _ = try open(file(version: 3, type: type)) } }
    let first = file()
    expectRefusal("GGML-3") { _ = try open(first + first[41...]) }
  }

  @Test func elementsMustBeThere() {
    for version: UInt32 in [1, 2, 3] {
      for shape: UInt32 in [31, 33] { expectRefusal("GGML-4") { _ = try open(file(version: version, shape: [shape])) } }
      for type: UInt32 in [0, 1, 2, 8] {
        expectRefusal("GGML-2") { _ = try open(file(version: version, type: type, shape: [1 << 31])) }
        let large = file(version: version, dimensions: 2, type: type, shape: [0xFFFF_FFE0, .max])
        #expect(throws: LMToolError.self) { try open(large) }
      }
    }
    for count in stride(from: 4, to: file().count, by: 3) {
      #expect(throws: LMToolError.self) { try open(Array(file()[0..<count])) }
    }
  }

  @Test func modelsInSeveralFilesAreRefused() throws {
    try folder.write("model.bin.1", [])
    expectRefusal("GGML-5") { _ = try open(file()) }
  }
}
