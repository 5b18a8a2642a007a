import Tensors

/// Command-R: attention and MLP side by side behind one LayerNorm without bias, rotary embedding of neighbours, scaled logits. Facts:
/// `transformers` modeling_cohere.py.
struct CohereArchitecture: Architecture {
  let modelTypes = ["cohere"]
  var gguf: [any GGUFMapping] { [CohereGGUF()] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var plan = try SpecPlan(configuration, epsilon: ("layer_norm_eps", 1e-5), isTied: true, context: 8192)
    plan.norm = .layer
    plan.arrangement = .parallelShared
    plan.rotate(try configuration.rotary(headSize: plan.headSize, defaults: .init(base: 500_000)))
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    plan.hasQueryKeyValueBias = try configuration.flag("attention_bias", default: false)
    plan.hasOutputBias = plan.hasQueryKeyValueBias
    plan.logitScale = Float(try configuration.positive("logit_scale") ?? 0.0625)
    if try configuration.flag("use_qk_norm", default: false) {
      plan.queryKeyNorm = SpecPlan.QueryKeyNorm(span: .eachHead, kind: .layer)
    }
    plan.naming.interleavesRotary = true
    plan.naming.headNorms = .matrix
    return plan.spec()
  }
}
