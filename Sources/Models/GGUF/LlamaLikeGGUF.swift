import Checkpoints
import Tensors

/// LLaMA and Mistral: rows of queries and keys in interleaved rotary order, as llama.cpp's converter writes them
/// (conversion/llama.py, `LlamaModel.permute`). Where layers differ in size, as the architecture that llama.cpp has for DeciLM.
struct LlamaGGUF: GGUFMapping {
  var hasLayerSizes = false

  var traits: GGUFTraits {
    var traits = GGUFTraits.llama(
      hasLayerSizes ? "deci" : "llama", ["llama", "mistral", "ministral"], "LlamaForCausalLM")
    traits.hasLayerSizes = hasLayerSizes
    return traits
  }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) { model.addBiases(to: &config) }
}

/// Granite: LLaMA with multipliers.
struct GraniteGGUF: GGUFMapping {
  var traits: GGUFTraits { .llama("granite", ["granite"], "GraniteForCausalLM") }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    model.addBiases(to: &config)
    if model.value("rope.scaling.finetuned")?.bool == false {
      throw model.refuse("rope.scaling.finetuned", "models without rotary embedding are not supported")
    }
    func scale(_ key: String) -> Double? { model.number(key).flatMap { $0 == 0 ? nil : $0 } }
    let usual = config["head_dim"]?.int.map { 1 / Double($0).squareRoot() } ?? 1
    config["attention_multiplier"] = .double(scale("attention.scale") ?? usual)
    config["embedding_multiplier"] = .double(scale("embedding_scale") ?? 1)
    config["residual_multiplier"] = .double(scale("residual_scale") ?? 1)
    config["logits_scaling"] = .double(scale("logit_scale") ?? 1)
  }

  func metadata(beyondCommon spec: ModelSpec) -> [(String, GGUFValue)] {
    [
      ("attention.scale", .float32(spec.layers[0].attention.scale)), ("embedding_scale", .float32(spec.embeddingScale)),
      ("residual_scale", .float32(spec.layers[0].residualScale)), ("logit_scale", .float32(1 / spec.logitScale)),
    ]
  }
}

/// SmolLM3: LLaMA in which every fourth layer has no rotary embedding.
struct SmolLM3GGUF: GGUFMapping {
  private static let interval = 4

  var traits: GGUFTraits {
    var traits = GGUFTraits.llama("smollm3", ["smollm3"], "SmolLM3ForCausalLM")
    traits.biases = [.query, .key, .value]
    traits.readsFactors = false
    return traits
  }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    model.addBiases(to: &config)
    config["no_rope_layer_interval"] = .int(Self.interval)
    config["use_sliding_window"] = .bool(false)
  }
}

/// Ministral 3: LLaMA with YaRN and queries that grow; without growth, what is inside of Mistral Small 3.1.
struct Mistral3GGUF: GGUFMapping {
  var traits: GGUFTraits { .llama("mistral3", ["ministral3"], "Ministral3ForCausalLM") }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    guard let beta = model.number("attention.temperature_scale"), beta != 0 else {
      config["model_type"] = .string("mistral")
      config["architectures"] = .array([.string("MistralForCausalLM")])
      config["sliding_window"] = .null
      return
    }
    var parameters = config.removeValue(forKey: "rope_scaling")?.object ?? ["rope_type": .string("default")]
    parameters["rope_theta"] = config.removeValue(forKey: "rope_theta")
    parameters["llama_4_scaling_beta"] = .double(beta)
    let original = model.value("rope.scaling.original_context_length")?.int ?? model.value("context_length")?.int ?? 2048
    parameters["original_max_position_embeddings"] = .int(original)
    config["rope_parameters"] = .object(parameters)
  }

  func metadata(beyondCommon spec: ModelSpec) -> [(String, GGUFValue)] {
    guard let scaling = spec.layers[0].attention.queryScaling else { return [] }
    return [("attention.temperature_scale", .float32(Float(scaling.beta)))]
  }
}

/// Qwen2, or Qwen3: rows in half order, biases or norms of heads.
struct QwenGGUF: GGUFMapping {
  let isThird: Bool

  var traits: GGUFTraits {
    var traits = GGUFTraits(
      isThird ? "qwen3" : "qwen2", [isThird ? "qwen3" : "qwen2"], isThird ? "Qwen3ForCausalLM" : "Qwen2ForCausalLM")
    traits.hasFreeHeadSize = isThird
    return traits
  }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    config["use_sliding_window"] = .bool(false)
    if isThird { config["attention_bias"] = .bool(model.has("blk.0.attn_q.bias")) }
  }
}

/// OLMo 2: norms behind the branches, and of all queries and keys.
struct OLMo2GGUF: GGUFMapping {
  var traits: GGUFTraits {
    var traits = GGUFTraits("olmo2", ["olmo2"], "Olmo2ForCausalLM")
    traits.tiedHead = .repeated
    return traits
  }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    model.addBiases(to: &config)
    config["mlp_bias"] = nil
    if model.value("attention.sliding_window")?.int ?? 0 > 0 {
      throw model.refuse("attention.sliding_window", "OLMo 3 is not supported")
    }
  }
}

extension GGUFTraits {
  /// Families whose rows of queries and keys are interleaved, with biases wherever they like.
  fileprivate static func llama(_ name: String, _ types: [String], _ modelClass: String) -> GGUFTraits {
    var traits = GGUFTraits(name, types, modelClass)
    traits.interleavesRotary = true
    traits.hasFreeHeadSize = true
    traits.readsFactors = true
    traits.biases = [.query, .key, .value, .attentionOutput, .gate, .up, .down]
    return traits
  }
}

extension GGUFModel {
  /// Whether attention and MLP have biases, by the tensors of the first layer.
  fileprivate func addBiases(to config: inout [String: JSONValue]) {
    config["attention_bias"] = .bool(has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias"))
    config["mlp_bias"] = .bool(has("blk.0.ffn_up.bias"))
  }
}
