import Checkpoints
import Tensors

/// GPT-2: matrices as [outputs, inputs], queries, keys and values in one tensor.
struct GPT2GGUF: GGUFMapping {
  var traits: GGUFTraits {
    var traits = GGUFTraits("gpt2", ["gpt2"], "GPT2LMHeadModel")
    traits.keys = [
      "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "intermediate_size": "n_inner",
      "max_position_embeddings": "n_positions", "hidden_act": "activation_function", "layer_norm_eps": "layer_norm_epsilon",
    ]
    traits.withoutKeys = ["num_key_value_heads", "rope_theta", "rope_scaling"]
    traits.takeBlocks(activation: "gelu_new")
    traits.fusesQueryKeyValue = true
    return traits
  }
}

/// GPT-NeoX: queries, keys and values one after the other, not head by head.
struct GPTNeoXGGUF: GGUFMapping {
  var traits: GGUFTraits {
    var traits = GGUFTraits("gptneox", ["gpt_neox"], "GPTNeoXForCausalLM")
    traits.keys = ["rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"]
    traits.withoutKeys = ["num_key_value_heads"]
    traits.takeBlocks(activation: "gelu")
    traits.fusesQueryKeyValue = true
    traits.rotatesInPart = true
    traits.tiedHead = .repeated
    return traits
  }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    config["use_parallel_residual"] = .bool(model.value("use_parallel_residual")?.bool ?? true)
    config["attention_bias"] = .bool(model.has("blk.0.attn_qkv.bias") || model.has("blk.0.attn_q.bias"))
  }

  func metadata(beyondCommon spec: ModelSpec) -> [(String, GGUFValue)] {
    [("use_parallel_residual", .bool(spec.layers[0].arrangement == .parallel))]
  }

  func objection(to spec: ModelSpec) -> String? {
    spec.layers[0].attention.query.bias == nil ? "attention needs biases" : nil
  }
}

/// Phi-1, Phi-1.5 and Phi-2.
struct Phi2GGUF: GGUFMapping {
  var traits: GGUFTraits {
    var traits = GGUFTraits("phi2", ["phi", "mixformer-sequential", "phi-msft"], "PhiForCausalLM")
    traits.takeBlocks(activation: "gelu_new")
    traits.biases.insert(.head)
    traits.rotatesInPart = true
    traits.tiedHead = .repeated
    return traits
  }

  func objection(to spec: ModelSpec) -> String? {
    spec.layers[0].attention.queryNorm == nil ? nil : "it has no norms of queries and keys for this family"
  }
}

/// Phi-3: fused as in its checkpoints, LongRoPE by tensors of factors.
struct Phi3GGUF: GGUFMapping {
  var traits: GGUFTraits {
    var traits = GGUFTraits("phi3", ["phi3"], "Phi3ForCausalLM")
    traits.fusesQueryKeyValue = true
    traits.fusesGateUp = true
    traits.rotatesInPart = true
    traits.readsFactors = true
    traits.windows = .ignored
    traits.biases = []
    return traits
  }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    let window = model.value("attention.sliding_window")?.int ?? 0
    config["sliding_window"] = window == 0 ? .null : .int(window)
  }

  func metadata(beyondCommon spec: ModelSpec) -> [(String, GGUFValue)] {
    let window = spec.narrowestWindow ?? 0
    return [("attention.sliding_window", .uint32(UInt32(clamping: window)))]
  }
}

/// Command-R.
struct CohereGGUF: GGUFMapping {
  /// From how many layers on llama.cpp expects norms of queries and keys.
  private static let layersWithNorms = 64

  var traits: GGUFTraits {
    var traits = GGUFTraits("command-r", ["cohere"], "CohereForCausalLM")
    traits.isLayerNorm = true
    traits.interleavesRotary = true
    traits.hasHeadNormMatrices = true
    traits.tiedHead = .always
    return traits
  }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    config["attention_bias"] = .bool(model.has("blk.0.attn_q.bias"))
    config["use_qk_norm"] = .bool(model.has("blk.0.attn_q_norm.weight"))
    let scale = model.number("logit_scale") ?? 0
    config["logit_scale"] = .double(scale == 0 ? 1 : scale)
  }

  func metadata(beyondCommon spec: ModelSpec) -> [(String, GGUFValue)] {
    [("logit_scale", .float32(spec.logitScale))]
  }

  func objection(to spec: ModelSpec) -> String? {
    let hasNorms = spec.layers[0].attention.queryNorm != nil
    guard hasNorms != (spec.layers.count >= Self.layersWithNorms) else { return nil }
    return "it expects norms of queries and keys from \(Self.layersWithNorms) layers on, and none below"
  }
}

/// StableLM.
struct StableLMGGUF: GGUFMapping {
  var traits: GGUFTraits {
    var traits = GGUFTraits("stablelm", ["stablelm", "stablelm_epoch"], "StableLmForCausalLM")
    traits.isLayerNorm = true
    traits.rotatesInPart = true
    traits.hasHeadNormMatrices = true
    traits.tiedHead = .repeated
    return traits
  }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    config["use_qkv_bias"] = .bool(model.has("blk.0.attn_q.bias"))
    config["qk_layernorm"] = .bool(model.has("blk.0.attn_q_norm.weight"))
    config["use_parallel_residual"] = .bool(!model.has("blk.0.ffn_norm.weight"))
  }

  func metadata(beyondCommon spec: ModelSpec) -> [(String, GGUFValue)] {
    [("use_parallel_residual", .bool(spec.layers[0].arrangement == .parallelShared))]
  }
}

extension GGUFTraits {
  /// LayerNorm, an MLP without gate, biases throughout.
  fileprivate mutating func takeBlocks(activation: String) {
    self.activation = activation
    isLayerNorm = true
    biases = [.query, .key, .value, .attentionOutput, .up, .down]
  }
}
