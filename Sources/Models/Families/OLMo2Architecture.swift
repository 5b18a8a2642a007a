import Tensors

/// OLMo 2: LLaMA with the norms behind the branches instead of before them, and norms over all queries and all keys of a token. Facts:
/// `transformers` modeling_olmo2.py.
struct OLMo2Architecture: Architecture {
  let modelTypes = ["olmo2"]
  var gguf: [any GGUFMapping] { [OLMo2GGUF()] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var plan = try SpecPlan(configuration, epsilon: ("rms_norm_eps", 1e-5))
    plan.rotate(try configuration.rotary(headSize: plan.headSize))
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    plan.hasQueryKeyValueBias = try configuration.flag("attention_bias", default: false)
    plan.hasOutputBias = plan.hasQueryKeyValueBias
    plan.hasInputNorms = false
    plan.hasOutputNorms = true
    plan.queryKeyNorm = SpecPlan.QueryKeyNorm(span: .row)
    plan.naming = CheckpointNaming([
      .attentionOutputNorm: "model.layers.#.post_attention_layernorm",
      .mlpOutputNorm: "model.layers.#.post_feedforward_layernorm",
    ])
    return plan.spec()
  }
}
