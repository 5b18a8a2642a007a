import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Meta's checkpoints: META-1 to 4 and 6 of `formats/meta.md`. Their tensors as a model are in ModelsTests.
struct MetaTests {
  let folder = TestFolder()

  private func path(_ name: String) -> String { Fixtures.path("meta/" + name) }

  private func copy(_ name: String) throws {
    for file in ["consolidated.00.pth", "consolidated.01.pth", "params.json"] {
      try folder.write(file, try contents(path(name + "/" + file)))
    }
  }

  @Test(arguments: ["llama2", "llama3"]) func joinsShards(name: String) throws {
    let joined = try MetaCheckpoint(path: path(name))
    let whole = try SafetensorsCheckpoint(path: path("mistral/consolidated.safetensors"))
    #expect(joined.files.count == 2)
    for (name, tensor) in whole.tensors where name != "output.weight" {
      let other = try #require(joined.readers[name])
      #expect(other.shape == tensor.shape, "\(name)")
      #expect(try other.readAll() == tensor.readAll(), "\(name)")
      guard tensor.count > 40 else { continue }
      #expect(try read(other, 5..<39) == read(tensor, 5..<39), "\(name)")
    }
  }

  @Test func anyFileLeadsToAllOfThem() throws {
    #expect(try MetaCheckpoint(path: path("llama2/consolidated.01.pth")).files.count == 2)
  }

  @Test func filesMustBeThere() throws {
    try copy("llama2")
    try folder.write("consolidated.03.pth", [])
    expectRefusal("META-1", code: .missingInput) { _ = try MetaCheckpoint(path: folder.path) }
    let empty = TestFolder()
    try empty.write("params.json", "{\"dim\": 16}")
    expectRefusal("META-1", code: .missingInput) { _ = try MetaCheckpoint(path: empty.path) }
  }

  @Test func filesMustBeOfOneModel() throws {
    try copy("llama2")
    try folder.write("consolidated.01.pth", try contents(path("llama3/consolidated.01.pth")))
    let error = expectRefusal("META-2") { _ = try MetaCheckpoint(path: folder.path) }
    #expect(error?.place == .tensor("tok_embeddings.weight"))
    try folder.write("consolidated.01.pth", try contents(Fixtures.path("pytorch/protocol2.pt")))
    expectRefusal("META-2") { _ = try MetaCheckpoint(path: folder.path) }
  }

  @Test(arguments: ["{}", "{\"dim\": 0}", "{\"dim\": \"16\"}", "[]"]) func settingsMustSayTheWidth(text: String) throws {
    try copy("llama2")
    try folder.write("params.json", text)
    expectRefusal("META-4") { _ = try MetaCheckpoint(path: folder.path) }
  }

  /// META-6: 1.5 in E4M3 times 0.5, and what is left of activations is left out.
  @Test func mistralsSmallFloatsAreScaled() throws {
    func write(_ format: String) throws -> String {
      try folder.write(
        "params.json", #"{"dim": 2, "n_layers": 1, "n_heads": 1, "quantization": {"qformat_weight": "\#(format)"}}"#)
      let name = "layers.0.attention.wq.", path = folder.path("consolidated.safetensors")
      let entries = [
        SafetensorsEntry(name: name + "weight", dtype: .f8e4m3, shape: [2, 2]),
        SafetensorsEntry(name: name + "qscale_weight", dtype: .bf16, shape: []),
        SafetensorsEntry(name: name + "qscale_act", dtype: .bf16, shape: []),
      ]
      if folder.names.contains("consolidated.safetensors") { return folder.path }
      let writer = try SafetensorsWriter(path: path, entries: entries)
      for content in [[0x3C, 0xBC, 0, 0x38], [0, 0x3F], [0, 0]] as [[UInt8]] {
        try content.withUnsafeBytes { try writer.write(raw: $0) }
      }
      try writer.finish()
      return folder.path
    }
    let readers = try MetaCheckpoint(path: try write("fp8_e4m3")).readers
    #expect(Array(readers.keys) == ["layers.0.attention.wq.weight"])
    #expect(try readers["layers.0.attention.wq.weight"]?.readAll() == [0.75, -0.75, 0, 0.5])
    expectRefusal("META-6") { _ = try MetaCheckpoint(path: try write("nvfp4")) }
  }
}
