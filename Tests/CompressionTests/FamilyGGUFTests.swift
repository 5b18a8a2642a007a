import Artifacts
import Checkpoints
import Compression
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing

/// A model of the fixtures, with some keys of its configuration changed or, with nil, taken away.
struct ChangedModel: CustomTestStringConvertible {
  let name: String
  var changes: [String: JSONValue?] = [:]

  var testDescription: String { name }
}

/// Models whose files llama.cpp runs.
private let runnable: [ChangedModel] = [
  .init(name: "gpt2"), .init(name: "gpt2_old", changes: ["scale_attn_by_inverse_layer_idx": nil]), .init(name: "gpt_neox"),
  .init(name: "gpt_neox_old"), .init(name: "llama_yarn"), .init(name: "ministral3"),
  .init(name: "phi", changes: ["qk_layernorm": .bool(false)]), .init(name: "phi_mixformer"), .init(name: "phi3"),
  .init(name: "phi3_long"), .init(name: "phi3_growing"), .init(name: "gemma"),
  .init(name: "gemma2", changes: ["query_pre_attn_scalar": .int(8)]),
  .init(name: "gemma3_old", changes: ["query_pre_attn_scalar": .int(8)]),
  .init(name: "qwen2", changes: ["use_sliding_window": .bool(false)]),
  .init(name: "qwen3", changes: ["attention_bias": .bool(false)]),
  .init(name: "cohere", changes: ["attention_bias": .bool(false), "use_qk_norm": .bool(false)]), .init(name: "stablelm"),
  .init(name: "stablelm_serial"), .init(name: "stablelm_serial", changes: ["tie_word_embeddings": .bool(true)]),
  .init(name: "olmo2"), .init(name: "smollm3", changes: ["no_rope_layer_interval": .int(4)]), .init(name: "granite"),
]

/// Every family that llama.cpp runs goes through GGUF (MODEL-12).
struct FamilyGGUFTests {
  let scratch = TestFolder()
  private let checkpoint = TestFolder()

  /// A model of the fixtures, with a tokenizer, for llama.cpp asks for one.
  private func open(_ model: ChangedModel) throws -> ModelSource {
    let path = Fixtures.path("families/\(model.name)")
    let file = try MappedFile(path: path + "/config.json")
    var members = try #require(try decodeJSON(JSONValue.self, file: file).object)
    for (key, value) in model.changes { members[key] = value }
    _ = try checkpoint.write("config.json", try encodeJSON(JSONValue.object(members)))
    _ = try checkpoint.write("model.safetensors", try contents(path + "/model.safetensors"))
    var source = try ModelSource.open(checkpoint.path)
    source.tokenizer = try ModelSource.open(stories).tokenizer
    return source
  }

  /// Enough tokens that windows and scaling matter.
  private let ids: [Int32] = (0..<24).map { Int32(3 + $0 * 37 % 93) }

  @Test(arguments: runnable) func whatIsWrittenReadsBackAsTheSameModel(model: ChangedModel) throws {
    let source = try open(model)
    let notes = try Exporting.gguf(source, to: scratch.path("a.gguf"))
    let back = try ModelSource.open(gguf: scratch.path("a.gguf"))
    #expect(back.unused == [])
    #expect(difference(try logits(back, ids), try logits(source, ids)) < 1e-5)
    #expect(notes.contains { $0.contains("GELU") } == (source.spec.layers[0].mlp.activation == .gelu))
    // And as a checkpoint of the family once more.
    try Importing.run(back, to: scratch.path("imported"))
    let imported = try ModelSource.open(scratch.path("imported"))
    #expect(imported.unused == [])
    #expect(difference(try logits(imported, ids), try logits(source, ids)) < 1e-5)
  }

  /// Codes pass through fused tensors as they are.
  @Test(arguments: ["gpt2", "gpt_neox", "phi3_long", "granite"]) func codesSurvive(name: String) throws {
    let source = try open(.init(name: name))
    for (scheme, type) in [("int8-g32", GGMLType.q8_0), ("int4-g32", .q4_0), ("int4-g32-min", .q4_1)] {
      let grid = try #require(GridScheme(name: scheme))
      try Quantizing.run(source, recipe: .init(scheme: grid, embeddingScheme: grid), to: scratch.path(scheme))
      var quantized = try ModelSource.open(scratch.path(scheme))
      quantized.tokenizer = source.tokenizer
      _ = try Exporting.gguf(quantized, to: scratch.path(scheme + ".gguf"))
      let back = try ModelSource.open(gguf: scratch.path(scheme + ".gguf"))
      let query = source.spec.layers[1].attention.query.weight
      let file = try GGUFFile(path: scratch.path(scheme + ".gguf"))
      #expect(file.tensors["blk.1.attn_\(name == "granite" ? "q" : "qkv").weight"]?.type == type)
      let original = try #require(try quantized.tensor(query) as? any GridTensorReader).readGrid()
      #expect(try (try back.tensor(query) as? any GridTensorReader)?.readGrid() == original)
      #expect(difference(try logits(back, ids), try logits(quantized, ids)) < 5e-3, "what blocks do not hold is f16")
    }
  }

  @Test func typesOfFloatsAreThoseAskedFor() throws {
    let source = try open(.init(name: "phi3"))
    for (type, stored) in [(DType.f16, GGMLType.f16), (.bf16, .bf16), (.f32, .f32)] {
      _ = try Exporting.gguf(source, to: scratch.path("\(stored).gguf"), matrixType: type)
      let file = try GGUFFile(path: scratch.path("\(stored).gguf"))
      #expect(file.tensors["blk.0.attn_qkv.weight"]?.type == stored && file.tensors["blk.1.ffn_up.weight"]?.type == stored)
      let back = try ModelSource.open(gguf: scratch.path("\(stored).gguf"))
      #expect(difference(try logits(back, ids), try logits(source, ids)) < 1e-3)
    }
  }

  /// What llama.cpp takes for granted, and these models do otherwise.
  static let refused: [(String, String)] = [
    ("gpt2_old", "the scale of attention"), ("phi", "norms of queries"), ("gemma2", "the scale of attention"),
    ("gemma3_old", "the scale of attention"), ("qwen3", "o_proj.bias"), ("smollm3", "rotary"), ("cohere", "norms of queries"),
    ("gptj", "does not run"), ("gpt_neo", "does not run"), ("opt", "does not run"),
  ]

  @Test(arguments: refused) func modelsThatLlamaCppComputesOtherwiseAreRefused(name: String, reason: String) throws {
    let source = try open(.init(name: name))
    let error = #expect(throws: LMToolError.self) { try Exporting.gguf(source, to: scratch.path("a.gguf")) }
    #expect(error?.code == .usage)
    #expect(error?.message.contains(reason) == true, "\(String(describing: error))")
    #expect(!scratch.names.contains("a.gguf"))
  }

  @Test(arguments: ["relu", "silu"]) func otherActivationsAreRefused(name: String) throws {
    let source = try open(.init(name: "gpt_neox", changes: ["hidden_act": .string(name)]))
    let error = #expect(throws: LMToolError.self) { try Exporting.gguf(source, to: scratch.path("a.gguf")) }
    #expect(error?.rule == "MODEL-12")
    #expect(error?.message.contains("activation") == true)
  }

  @Test func windowsThatLlamaCppIgnoresAreWrittenAndSaid() throws {
    let notes = try Exporting.gguf(try open(.init(name: "phi3")), to: scratch.path("a.gguf"))
    #expect(notes.contains { $0.contains("sliding window of 9 tokens") })
    #expect(try GGUFFile(path: scratch.path("a.gguf")).metadata["phi3.attention.sliding_window"]?.int == 9)
    #expect(try GGUFFile(path: scratch.path("a.gguf")).metadata["phi3.context_length"]?.int == 64)
  }

  /// Files that llama.cpp's converter made: what transformers computes.
  @Test(arguments: ["gpt2", "gpt_neox", "phi3_long", "ministral3", "stablelm", "granite", "gemma3"])
  func filesOfTheConverterAreRead(name: String) throws {
    let source = try ModelSource.open(gguf: Fixtures.path("gguf/families/\(name).gguf"))
    #expect(source.unused == [])
    let own = Fixtures.path("gguf/families/\(name).safetensors"), usual = Fixtures.path("families/\(name)/oracle.safetensors")
    let oracle = try SafetensorsFile(path: name == "gemma3" ? own : usual)
    let text = try #require(oracle.tensors["input_ids"]).readAll().map { Int32($0) }
    let expected = try #require(oracle.tensors["logits"]).readAll()
    #expect(difference(try logits(source, text), expected) < 1e-4)
  }
}
