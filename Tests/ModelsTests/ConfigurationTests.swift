import Models
import Tensors
import Testing

/// `config.json` in its two forms, and what is assumed where it is silent.
struct ConfigurationTests {
  @Test func bothFormsDescribeTheSameModel() throws {
    let scaling: [String: JSONValue] = [
      "rope_type": .string("llama3"), "factor": .double(8), "low_freq_factor": .double(1), "high_freq_factor": .double(4),
      "original_max_position_embeddings": .int(8192),
    ]
    let older = try spec(["rope_theta": .double(500_000), "rope_scaling": .object(scaling), "torch_dtype": .string("bfloat16")])
    let newer = try spec([
      "rope_parameters": .object(scaling.merging(["rope_theta": .double(500_000)]) { $1 }), "dtype": .string("bfloat16"),
    ])
    #expect(older == newer)
    let expected = RotarySpec.Scaling.llama3(factor: 8, lowFrequency: 1, highFrequency: 4, originalContext: 8192)
    #expect(newer.layers[0].attention.rotary == RotarySpec(base: 500_000, scaling: expected))
  }

  @Test func plainRotaryIsTheSameInEveryForm() throws {
    let expected = RotarySpec(base: 20000)
    let forms: [[String: JSONValue?]] = [
      ["rope_theta": .int(20000)], ["rope_theta": .double(20000), "rope_scaling": .null],
      ["rope_parameters": .object(["rope_theta": .int(20000), "rope_type": .string("default")])],
      ["rope_parameters": .object(["rope_theta": .int(20000)])],
      ["rope_theta": .int(20000), "rope_scaling": .object(["type": .string("default")])],
    ]
    for form in forms { #expect(try spec(form).layers[0].attention.rotary == expected) }
  }

  @Test(arguments: ["type", "rope_type"]) func linearScalingIsReadUnderBothNames(key: String) throws {
    let spec = try spec(["rope_scaling": .object([key: .string("linear"), "factor": .double(2.5)])])
    #expect(spec.layers[0].attention.rotary == RotarySpec(base: 10000, scaling: .linear(factor: 2.5)))
  }

  @Test func whatIsAbsentHasDefaults() throws {
    let spec = try spec(["num_key_value_heads": nil, "head_dim": .null])
    let attention = spec.layers[0].attention
    #expect(attention.keyValueHeads == 2)
    #expect(attention.headSize == 4 && attention.scale == 0.5)
    #expect(attention.rotary == RotarySpec(base: 10000))
    #expect(attention.window == nil && attention.query.bias == nil)
    #expect(spec.contextLength == 2048)
    #expect(spec.finalNorm?.epsilon == 1e-6)
    #expect(!spec.isTied)
  }

  @Test func theHeadSizeNeedNotDivideTheWidth() throws {
    let attention = try spec(["head_dim": .int(6)]).layers[0].attention
    #expect(attention.query.weight.shape == [12, 8])
    #expect(attention.key.weight.shape == [6, 8])
    #expect(attention.output.weight.shape == [8, 12])
  }

  @Test func biasesAreWhereTheConfigurationHasThem() throws {
    let layer = try spec(["attention_bias": .bool(true), "mlp_bias": .bool(true)]).layers[0]
    #expect(layer.attention.key.bias?.name == "model.layers.0.self_attn.k_proj.bias")
    #expect(layer.attention.key.bias?.shape == [4])
    #expect(layer.mlp.down.bias?.shape == [8])
    #expect(layer.mlp.down.bias?.ggufName == "blk.0.ffn_down.bias")
  }

  @Test func tensorsAreListedInTheOrderOfComputation() throws {
    let untied = try spec().tensors.map(\.name)
    #expect(untied.count == 12)
    #expect(untied.first == "model.embed_tokens.weight")
    #expect(Array(untied.suffix(2)) == ["model.norm.weight", "lm_head.weight"])
    let tied = try spec(["tie_word_embeddings": .bool(true)])
    #expect(tied.isTied)
    #expect(tied.tensors.map(\.name) == untied.dropLast())
  }

  @Test func slidingWindowsAreMistralsOnly() throws {
    let window: [String: JSONValue?] = ["sliding_window": .int(16), "num_hidden_layers": .int(2)]
    func windows(_ changes: [String: JSONValue?]) throws -> [Int?] {
      try spec(window.merging(changes) { $1 }).layers.map(\.attention.window)
    }
    #expect(try windows([:]) == [nil, nil])
    #expect(try windows(["model_type": .string("mistral")]) == [16, 16])
    #expect(try windows(["model_type": .string("Mistral"), "sliding_window": .null]) == [nil, nil])
    let kinds = JSONValue.array([.string("full_attention"), .string("sliding_attention")])
    #expect(try windows(["model_type": .string("ministral"), "layer_types": kinds]) == [nil, 16])
  }

  @Test func endTokensAreOneOrSeveral() {
    #expect(Configuration(tiny(["eos_token_id": .int(2)])).endTokens == [2])
    #expect(Configuration(tiny(["eos_token_id": .array([.int(2), .int(4)])])).endTokens == [2, 4])
    #expect(Configuration(tiny()).endTokens == [])
    let hostile = JSONValue.array([.int(-1), .int(.max), .string("2"), .double(1.5), .int(3)])
    #expect(Configuration(tiny(["eos_token_id": hostile])).endTokens == [3])
  }
}
