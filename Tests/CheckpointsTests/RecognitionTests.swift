import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// What a path leads to is told from content, never from names.
struct RecognitionTests {
  let folder = TestFolder()

  private func recognize(_ bytes: [UInt8]) throws -> CheckpointKind {
    try Checkpoints.recognize(path: try folder.write("model.anything", bytes))
  }

  @Test(arguments: [
    ("", CheckpointKind.safetensors), ("/model.safetensors", .safetensors), ("/stories260K-f32.gguf", .gguf),
    ("/stories260K.bin", .llama2c), ("/stories260K-q8.bin", .llama2c),
  ])
  func recognizesTheFixtures(name: String, kind: CheckpointKind) throws {
    #expect(try Checkpoints.recognize(path: Fixtures.path("stories260K" + name)) == kind)
    #expect(try openCheckpoint(path: Fixtures.path("stories260K" + name)).readers.count == 47)
  }

  @Test func recognizesByContentWhateverTheName() throws {
    #expect(try recognize(try contents(Fixtures.path("stories260K/stories260K.bin"))) == .llama2c)
    #expect(try recognize(safetensors("{}")) == .safetensors)
    #expect(try recognize(GGUFBuilder().file) == .gguf)
    #expect(try recognize(bytes("  {\"metadata\":{},\"weight_map\":{\"a\":\"b\"}}")) == .safetensors)
    #expect(try recognize([0x89, 0x4C, 0x4D, 0x5A, 0x0D, 0x0A, 0x1A, 0x0A, 1, 2, 3]) == .lmz)
  }

  @Test func recognizesDamagedFilesSoThatOpeningSaysWhatIsWrong() throws {
    #expect(try recognize(Array(GGUFBuilder().file[0..<7])) == .gguf)
    #expect(try recognize(Array(try contents(Fixtures.path("stories260K/model.safetensors"))[0..<100])) == .safetensors)
    #expect(try recognize(Array(try contents(Fixtures.path("stories260K/stories260K-q8.bin"))[0..<1000])) == .llama2c)
  }

  @Test func recognizesPyTorch() throws {
    let whole = PickleBuilder.file(weight: PickleBuilder.tensor())
    let legacy: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
    let index = bytes("{\"weight_map\":{\"a\":\"pytorch_model-1-of-1.bin\"}}")
    for file in [whole, Array(whole.dropLast(60)), legacy, index] { #expect(try recognize(file) == .pytorch) }
    try folder.write("pytorch_model.bin", whole)
    #expect(try Checkpoints.recognize(path: folder.path) == .pytorch)
    try folder.write("model.safetensors", safetensors("{}"))
    #expect(try Checkpoints.recognize(path: folder.path) == .safetensors)
  }

  @Test func recognizesNumPy() throws {
    let archive = ZipBuilder([("a.npy", ZipTests.array(1))]).file
    for file in [archive, Array(archive.dropLast(10)), ZipTests.array(3)] { #expect(try recognize(file) == .numpy) }
    try folder.write("weights.npz", archive)
    #expect(try Checkpoints.recognize(path: folder.path) == .numpy)
  }

  @Test(arguments: ["ggml", "ggmf", "ggjt1", "ggjt2", "ggjt3"]) func recognizesGGML(name: String) throws {
    #expect(try Checkpoints.recognize(path: Fixtures.path("ggml/\(name).bin")) == .ggml)
  }

  @Test(arguments: ["llama2", "llama3", "mistral"]) func recognizesMetasFolders(name: String) throws {
    #expect(try Checkpoints.recognize(path: Fixtures.path("meta/" + name)) == .meta)
  }

  @Test(
    arguments: [
      ([], "empty"),
      (bytes("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), "git lfs pull"),
      (bytes("\n<!DOCTYPE html><html>"), "HTML"),
      (bytes("<?xml version=\"1.0\"?><Error>AccessDenied</Error>"), "XML"),
      ([0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 40), "ZIP"),
      ([0x50, 0x4B, 3, 4], "ZIP"),
      ([0x50, 0x4B, 3, 4] + [UInt8](repeating: 0xFF, count: 40), "ZIP"),
      ([0x1F, 0x8B, 8, 0], "gzip"),
      ([0x28, 0xB5, 0x2F, 0xFD, 0], "zstd"),
      ([UInt8](repeating: 0, count: 257) + bytes("ustar") + [0], "tar"),
      (bytes("algg") + [1, 0, 0, 0], "before GGUF"),
      (bytes("{\"hidden_size\": 64}"), "JSON"),
      (bytes("Es war einmal ein großes Modell."), "text file"),
      ([0, 1, 2, 3, 4, 5, 6, 7, 8], "no model that is known"),
      ([0xFF, 0xFE, 0x41, 0x42], "no model that is known"),
    ] as [([UInt8], String)])
  func saysWhatItFoundInstead(file: [UInt8], what: String) {
    let error = expectRefusal(nil) { _ = try recognize(file) }
    #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
  }

  @Test func saysWhatAFolderLacks() {
    let error = expectRefusal(nil, code: .missingInput) { _ = try Checkpoints.recognize(path: folder.path) }
    #expect(error?.message.contains("no model.safetensors") == true)
    expectRefusal(nil, code: .missingInput) { _ = try Checkpoints.recognize(path: folder.path + "/none") }
  }

  @Test func doesNotOpenArtifacts() throws {
    let path = try folder.write("a.lmz", [0x89, 0x4C, 0x4D, 0x5A, 0x0D, 0x0A, 0x1A, 0x0A])
    expectRefusal(nil) { _ = try openCheckpoint(path: path) }
  }

  @Test func hasOneFormatForEachKind() {
    #expect(Set(checkpointFormats.map(\.kind)) == Set(CheckpointKind.allCases))
    #expect(checkpointFormats.count == CheckpointKind.allCases.count)
  }
}
