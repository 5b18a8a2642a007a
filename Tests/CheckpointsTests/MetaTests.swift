import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Meta's checkpoints: META-1 to 4 of `formats/meta.md`. Their tensors as a model are in ModelsTests.
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
}
