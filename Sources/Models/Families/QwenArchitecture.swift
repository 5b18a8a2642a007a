import Tensors

/// Qwen2, Qwen2.5 and Qwen3: LLaMA with biases of queries, keys and values, or with norms of the heads of queries and keys. Facts:
/// `transformers` modeling_qwen2.py and modeling_qwen3.py.
struct QwenArchitecture: Architecture {
  let modelTypes = ["qwen2", "qwen3"]
  var gguf: [any GGUFMapping] { [QwenGGUF(isThird: false), QwenGGUF(isThird: true)] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    let isThird = try configuration.modelType() == "qwen3"
    var plan = try SpecPlan(configuration, headSize: isThird ? 128 : nil, context: 32768)
    plan.rotate(try configuration.rotary(headSize: plan.headSize))
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    if try configuration.flag("use_sliding_window", default: false) {
      let first = try configuration.integerIfPresent("max_window_layers", in: 0...65536) ?? 28
      plan.windows = try configuration.windows(layers: plan.layers, usual: 4096) { $0 >= first }
    }
    guard isThird else {
      plan.hasQueryKeyValueBias = true
      return plan.spec()
    }
    plan.hasQueryKeyValueBias = try configuration.flag("attention_bias", default: false)
    plan.hasOutputBias = plan.hasQueryKeyValueBias
    plan.queryKeyNorm = SpecPlan.QueryKeyNorm(span: .head)
    return plan.spec()
  }
}
