import Tensors

/// Mistral and Ministral 8B: LLaMA with a sliding window, in some layers or in all. Facts: `transformers` modeling_mistral.py and
/// modeling_ministral.py.
struct MistralArchitecture: Architecture {
  let modelTypes = ["mistral", "ministral"]

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var plan = try SpecPlan(configuration)
    plan.rotate(try configuration.rotary(headSize: plan.headSize))
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    plan.windows = try configuration.windows(layers: plan.layers, usual: 4096)
    return plan.spec()
  }
}
