import Checkpoints
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Model directories: what is found, and what is said of what is not.
struct SafetensorsModelTests {
  private func open(
    _ config: JSONValue = tiny(), edit: (inout [SafetensorsEntry]) -> Void = { _ in }
  ) throws -> (source: ModelSource, folder: TestFolder) {
    let folder = TestFolder()
    try writeModel(to: folder, config: config, edit: edit)
    return (try ModelSource.open(safetensors: folder.path), folder)
  }

  @Test func aDirectoryIsAModel() throws {
    let (source, folder) = try open()
    #expect(source.format == "safetensors")
    #expect(source.spec == (try spec()))
    #expect(Array(source.tensors.keys) == source.spec.tensors.map(\.name))
    #expect(source.unused == [])
    #expect(source.parameterCount == source.spec.tensors.reduce(0) { $0 + (elementCount($1.shape) ?? 0) })
    #expect(try source.tensor(#require(source.spec.finalNorm).weight).readAll() == [0, 1, 2, 3, 4, 5, 6, 7])
    let one = try ModelSource.open(safetensors: folder.path + "/model.safetensors")
    #expect(one.spec == source.spec)
  }

  @Test func aMissingTensorIsNamed() throws {
    let name = "model.layers.0.mlp.up_proj.weight"
    let error = expectFailure(.missingInput) { _ = try open { $0.removeAll { $0.name == name } } }
    #expect(error?.place == .tensor(name))
    #expect(error?.rule == "MODEL-3")
  }

  @Test(arguments: ["model.layers.1.mlp.up_proj.weight", "model.layers.12.input_layernorm.weight"])
  func layersBeyondTheConfigurationAreRefused(name: String) throws {
    let error = expectFailure(.badInput) { _ = try open { $0.append(SafetensorsEntry(name: name, dtype: .f32, shape: [8])) } }
    #expect(error?.place == .tensor(name))
    #expect(error?.rule == "MODEL-7")
  }

  @Test func aWrongShapeIsNamed() throws {
    let name = "model.layers.0.self_attn.k_proj.weight"
    for shape in [[8, 4], [4, 9], [32], [1, 4, 8]] {
      let error = expectFailure(.badInput) {
        _ = try open { entries in entries.indices.filter { entries[$0].name == name }.forEach { entries[$0].shape = shape } }
      }
      #expect(error?.place == .tensor(name))
      #expect(error?.rule == "MODEL-4")
    }
  }

  @Test(arguments: [DType.i8, .u8, .i32, .i64, .bool]) func integersAreNoWeights(type: DType) throws {
    let folder = TestFolder()
    try writeModel(to: folder)
    let entries = try spec().tensors.map { SafetensorsEntry(name: $0.name, dtype: $0.role == .up ? type : .f32, shape: $0.shape) }
    let writer = try SafetensorsWriter(path: folder.path + "/model.safetensors", entries: entries)
    for entry in entries {
      let zeros = [UInt8](repeating: 0, count: (elementCount(entry.shape) ?? 0) * entry.dtype.size)
      try zeros.withUnsafeBytes { try writer.write(raw: $0) }
    }
    try writer.finish()
    let error = expectFailure(.badInput) { _ = try ModelSource.open(safetensors: folder.path) }
    #expect(error?.place == .tensor("model.layers.0.mlp.up_proj.weight"))
    #expect(error?.rule == "MODEL-6")
  }

  @Test func theTiedHeadIsTheEmbedding() throws {
    let (tied, _) = try open(tiny(["tie_word_embeddings": .bool(true)]))
    #expect(tied.spec.isTied)
    #expect(tied.tensors["lm_head.weight"] == nil)
    let (untied, _) = try open()
    #expect(untied.tensors["lm_head.weight"] != nil)
    let error = expectFailure(.missingInput) { _ = try open { $0.removeAll { $0.name == "lm_head.weight" } } }
    #expect(error?.place == .tensor("lm_head.weight"))
  }

  /// MODEL-9.
  @Test(arguments: ["module.", "language_model.", "base.actor."]) func wrappersOfNamesAreUnderstood(prefix: String) throws {
    let (source, _) = try open { entries in
      for index in entries.indices { entries[index].name = prefix + entries[index].name }
      entries.append(SafetensorsEntry(name: prefix + "other.weight", dtype: .f32, shape: [1]))
    }
    #expect(Array(source.tensors.keys) == source.spec.tensors.map(\.name))
    #expect(source.unused == ["other.weight"])
  }

  /// MODEL-1.
  @Test func aFamilyThatIsGuessedIsNamed() throws {
    let source = try ModelSource.open(safetensors: Fixtures.path("families/gpt2_old"))
    #expect(source.config["model_type"] == .string("gpt2"))
  }

  /// MODEL-11: the language model of a multimodal one.
  @Test func theLanguageModelOfAMultimodalOneIsOpened() throws {
    let file = try MappedFile(path: Fixtures.path("families/gemma3/config.json"))
    #expect(try decodeJSON(JSONValue.self, file: file)["model_type"] == .string("gemma3"))
    let source = try ModelSource.open(safetensors: Fixtures.path("families/gemma3"))
    #expect(source.config["model_type"] == .string("gemma3_text") && source.config["vision_config"] == nil)
    #expect(source.config["architectures"] == .array([.string("Gemma3ForCausalLM")]))
  }

  /// MODEL-9.
  @Test func namesOfTheBareModelAreUnderstood() throws {
    let (source, _) = try open { entries in
      for index in entries.indices where entries[index].name.hasPrefix("model.") { entries[index].name.removeFirst(6) }
    }
    #expect(Array(source.tensors.keys) == source.spec.tensors.map(\.name))
  }

  @Test func tensorsThatAreNotUsedAreListed() throws {
    let (source, _) = try open { $0.append(SafetensorsEntry(name: "value_head.weight", dtype: .f32, shape: [4])) }
    #expect(source.unused == ["value_head.weight"])
  }

  /// MODEL-10.
  @Test(arguments: ["model.layers.0.self_attn.rotary_emb.inv_freq", "rope.freqs", "model.layers.0.attn.bias"])
  func buffersAreKnownAndLeftOut(name: String) throws {
    let (source, _) = try open { $0.append(SafetensorsEntry(name: name, dtype: .f32, shape: [4])) }
    #expect(source.unused.isEmpty)
  }

  @Test func aDirectoryWithoutConfigurationIsNoModel() throws {
    let folder = TestFolder()
    let entry = SafetensorsEntry(name: "a", dtype: .u8, shape: [0])
    try SafetensorsWriter(path: folder.path + "/model.safetensors", entries: [entry]).finish()
    let error = expectFailure(.missingInput) { _ = try ModelSource.open(safetensors: folder.path) }
    #expect(error?.file == folder.path + "/config.json")
  }

  @Test(arguments: ["", "{", "not json", "[]", "null", "\u{FF}"]) func aConfigurationThatIsNoneIsRefused(text: String) throws {
    let folder = TestFolder()
    try writeModel(to: folder)
    try folder.write("config.json", Array(text.utf8))
    let error = expectFailure(.badInput) { _ = try ModelSource.open(safetensors: folder.path) }
    #expect(error?.file == folder.path + "/config.json")
  }

  @Test func withoutTokenizerThereIsNoTokenizer() throws {
    let (source, folder) = try open()
    #expect(source.tokenizer == nil)
    let error = expectFailure(.missingInput) { _ = try source.makeTokenizer() }
    #expect(error?.file == folder.path)
  }

  @Test func aBrokenTokenizerIsReportedWhenItIsNeeded() throws {
    let folder = TestFolder()
    try writeModel(to: folder)
    try folder.write("tokenizer.json", Array("{".utf8))
    let source = try ModelSource.open(safetensors: folder.path)
    expectFailure(.badInput) { _ = try source.makeTokenizer() }
  }

  @Test func endTokensComeFromAllFilesAndLieInTheVocabulary() throws {
    let folder = TestFolder()
    try writeModel(to: folder, config: tiny(["eos_token_id": .array([.int(2), .int(99)])]))
    try folder.write("generation_config.json", Array(#"{"eos_token_id": [4, 5]}"#.utf8))
    #expect(try ModelSource.open(safetensors: folder.path).endTokens == [2, 4])
  }

  @Test func theChatTemplateIsTheDefaultOne() throws {
    let folder = TestFolder()
    try writeModel(to: folder)
    let several = #"{"chat_template": [{"name": "tool", "template": "T"}, {"name": "default", "template": "D"}]}"#
    try folder.write("tokenizer_config.json", Array(several.utf8))
    #expect(try ModelSource.open(safetensors: folder.path).chatTemplate == "D")
    try folder.write("chat_template.jinja", Array("J".utf8))
    #expect(try ModelSource.open(safetensors: folder.path).chatTemplate == "J")
  }
}
