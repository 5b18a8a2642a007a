import Checkpoints
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Models in the containers that others write: the same tensors under Hugging Face's names, whatever the form.
struct ForeignFormatTests {
  let folder = TestFolder()

  private func expect(
    _ source: ModelSource, equals name: String, tolerance: Float = 0, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let expected = try SafetensorsFile(path: Fixtures.path(name)).tensors
    for (name, tensor) in source.tensors {
      guard let other = expected[name] else { continue }
      #expect(tensor.shape == other.shape, "\(name)", sourceLocation: sourceLocation)
      let values = try tensor.readAll(), exact = try other.readAll(), most = exact.map(abs).max() ?? 0
      let isEqual = zip(values, exact).allSatisfy { abs($0 - $1) <= tolerance * most }
      #expect(isEqual, "\(name)", sourceLocation: sourceLocation)
    }
    #expect(source.tensors.keys.filter { expected[$0] != nil }.count >= 7, sourceLocation: sourceLocation)
  }

  @Test(arguments: ["llama2", "llama3", "mistral"]) func metasFoldersAreModels(name: String) throws {
    let source = try ModelSource.open(meta: Fixtures.path("meta/" + name))
    try expect(source, equals: "meta/expected.safetensors")
    #expect(source.unused == [])
    #expect(source.spec.layers[1].attention.keyValueHeads == 2)
    #expect(source.spec.layers[0].mlp.gate?.outputs == 24)
    #expect(source.spec.isTied == (name == "llama3"))
    #expect(source.spec.narrowestWindow == (name == "mistral" ? 6 : nil))
    #expect(source.config["model_type"]?.string == (name == "mistral" ? "mistral" : "llama"))
  }

  @Test func metasScalingIsLlama3s() throws {
    let rotary = try ModelSource.open(meta: Fixtures.path("meta/llama3")).spec.layers[0].attention.rotary
    #expect(rotary?.base == 500_000)
    #expect(rotary?.scaling == .llama3(factor: 32, lowFrequency: 1, highFrequency: 4, originalContext: 8192))
    #expect(try ModelSource.open(meta: Fixtures.path("meta/llama3")).spec.contextLength == 131_072)
    #expect(try ModelSource.open(meta: Fixtures.path("meta/llama2")).spec.contextLength == 4096)
  }

  @Test(arguments: ["moe", "yarn", "q_lora_rank", "quantization_args"]) func metasOtherModelsAreRefused(key: String) throws {
    for file in ["consolidated.00.pth", "consolidated.01.pth"] {
      try folder.write(file, try contents(Fixtures.path("meta/llama2/" + file)))
    }
    try folder.write("params.json", "{\"dim\": 16, \"n_layers\": 2, \"n_heads\": 4, \"n_kv_heads\": 2, \"\(key)\": {\"a\": 1}}")
    let error = expectFailure(.badInput) { _ = try ModelSource.open(meta: folder.path) }
    #expect(error?.rule == "META-5" && error?.place == .key(key))
    try folder.write("params.json", "{\"dim\": 16, \"n_layers\": 2}")
    #expect(expectFailure(.badInput) { _ = try ModelSource.open(meta: folder.path) }?.rule == "META-4")
  }

  @Test func aFileOfAFolderOfMetasIsTheWholeModel() throws {
    let source = try ModelSource.open(pytorch: Fixtures.path("meta/llama2/consolidated.01.pth"))
    try expect(source, equals: "meta/expected.safetensors")
  }

  @Test func trainingCheckpointsOfLlama2cAreModels() throws {
    let source = try ModelSource.open(pytorch: Fixtures.path("meta/llama2.c/ckpt.pt"))
    try expect(source, equals: "meta/expected.safetensors")
    #expect(source.spec.contextLength == 32)
    #expect(source.unused == ["optimizer: a dict of 1", "model_args: a dict of 8", "iter_num: 5"])
  }

  @Test func metasNamesWithoutSettingsAreRefused() throws {
    let path = try folder.write("model.pth", try contents(Fixtures.path("meta/llama2/consolidated.00.pth")))
    let error = expectFailure(.missingInput) { _ = try ModelSource.open(pytorch: path) }
    #expect(error?.file == folder.path + "/params.json")
  }

  @Test(arguments: ["ggml", "ggmf", "ggjt1", "ggjt2", "ggjt3"]) func oldGGMLFilesAreModels(name: String) throws {
    let source = try ModelSource.open(ggml: Fixtures.path("ggml/\(name).bin"))
    try expect(source, equals: "ggml/expected.safetensors")
    #expect(source.spec.isTied)
    #expect(source.unused == [])
    let tokenizer = try source.makeTokenizer()
    let reference = try ModelSource.open(safetensors: stories).makeTokenizer()
    // The fixture has the first 300 of its 512 tokens; these texts need no others.
    for text in ["a", "the", " on the", "é", "w\n"] {
      let ids = reference.encode(text)
      guard ids.allSatisfy({ $0 < 300 }) else { continue }
      #expect(tokenizer.encode(text) == ids, "\(text)")
    }
  }

  @Test(arguments: ["gptq-4", "gptq-8-act", "gptq-2", "awq", "mlx", "packed", "fp8-blocks", "fp8-rows"])
  func directoriesThatOthersQuantizedAreModels(name: String) throws {
    let source = try ModelSource.open(safetensors: Fixtures.path("foreign-quantized/" + name))
    try expect(source, equals: "foreign-quantized/\(name)/expected.safetensors", tolerance: 1e-6)
    #expect(source.unused == [])
    #expect(source.format == "safetensors, quantized")
    #expect(source.config["quantization_config"] == nil && source.config["quantization"] == nil)
  }
}
