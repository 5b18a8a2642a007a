import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Models in several GGUF files (GGUF-13).
struct GGUFSplitTests {
  let scratch = TestFolder()

  /// Writes part `number`, counted from 0, of `count`, with one tensor of four bytes.
  private func write(
    _ number: Int, of count: Int, tensor: String, name: String? = nil, metadata: [[UInt8]] = []
  ) throws -> String {
    var builder = GGUFBuilder()
    builder.metadata =
      [
        GGUFBuilder.entry("split.no", 2, bytes(UInt16(number))), GGUFBuilder.entry("split.count", 2, bytes(UInt16(count))),
      ] + metadata
    builder.infos = [GGUFBuilder.info(tensor, [4], .i8)]
    builder.data = [UInt8](repeating: UInt8(number + 1), count: 32)
    return try scratch.write(name ?? "model-0000\(number + 1)-of-0000\(count).gguf", builder.file)
  }

  @Test func anyPartOpensAll() throws {
    let total = GGUFBuilder.entry("split.tensors.count", 5, bytes(UInt32(3)))
    let first = GGUFBuilder.entry("general.name", 8, GGUFBuilder.string(bytes("whole")))
    var paths: [String] = []
    for (number, tensor) in ["a", "b", "c"].enumerated() {
      paths.append(try write(number, of: 3, tensor: tensor, metadata: number == 0 ? [first, total] : []))
    }
    for path in paths {
      let file = try GGUFFile(path: path)
      #expect(file.metadata["general.name"] == .string("whole"))
      #expect(Array(file.tensors.keys) == ["a", "b", "c"])
      #expect(try file.tensors.values.map { try $0.readAll()[0] } == [1, 2, 3])
      #expect(file.files.map(\.path) == paths)
    }
  }

  @Test func aMissingPartIsNamed() throws {
    let path = try write(0, of: 2, tensor: "a")
    let error = #expect(throws: (any Error).self) { _ = try GGUFFile(path: path) }
    #expect("\(String(describing: error))".contains("model-00002-of-00002.gguf"))
  }

  @Test func partsThatContradictAreRefused() throws {
    _ = try write(1, of: 3, tensor: "b", name: "model-00002-of-00002.gguf")
    let other = try write(0, of: 2, tensor: "a")
    expectRefusal("GGUF-13") { _ = try GGUFFile(path: other) }
    _ = try write(1, of: 2, tensor: "a")
    expectRefusal("GGUF-13") { _ = try GGUFFile(path: other) }
    let renamed = try write(0, of: 2, tensor: "a", name: "part.gguf")
    expectRefusal("GGUF-13") { _ = try GGUFFile(path: renamed) }
  }

  @Test func tensorsThatAreNotThereAreMissed() throws {
    let total = GGUFBuilder.entry("split.tensors.count", 5, bytes(UInt32(3)))
    let path = try write(0, of: 2, tensor: "a", metadata: [total])
    _ = try write(1, of: 2, tensor: "b")
    expectRefusal("GGUF-13") { _ = try GGUFFile(path: path) }
  }
}
