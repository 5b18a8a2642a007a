import Tensors

/// Granite: LLaMA whose embeddings, scores, branches and logits are multiplied with numbers of the configuration. Facts:
/// `transformers` modeling_granite.py.
struct GraniteArchitecture: Architecture {
  let modelTypes = ["granite"]
  var gguf: [any GGUFMapping] { [GraniteGGUF()] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var plan = try SpecPlan(configuration)
    plan.rotate(try configuration.rotary(headSize: plan.headSize))
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    plan.hasQueryKeyValueBias = try configuration.flag("attention_bias", default: false)
    plan.hasOutputBias = plan.hasQueryKeyValueBias
    plan.hasMLPBias = try configuration.flag("mlp_bias", default: false)
    func multiplier(_ key: String) throws(LMToolError) -> Float { Float(try configuration.positive(key) ?? 1) }
    plan.embeddingScale = try multiplier("embedding_multiplier")
    plan.residualScale = try multiplier("residual_multiplier")
    let scale = try multiplier("attention_multiplier")
    plan.scales = plan.scales.map { _ in scale }
    plan.logitScale = 1 / (try multiplier("logits_scaling"))
    return plan.spec()
  }
}
