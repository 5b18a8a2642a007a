import Tensors

/// StableLM: LLaMA with LayerNorm and partial rotary embedding, attention and MLP one after the other or side by side. Facts:
/// `transformers` modeling_stablelm.py.
struct StableLMArchitecture: Architecture {
  let modelTypes = ["stablelm", "stablelm_epoch"]
  var gguf: [any GGUFMapping] { [StableLMGGUF()] }

  /// The most heads of all layers together whose norms may be tensors of their own.
  private static let mostNorms = 1 << 16

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var configuration = configuration
    configuration.aliases = ["partial_rotary_factor": "rope_pct", "layer_norm_eps": "norm_eps"]
    var plan = try SpecPlan(configuration, epsilon: ("layer_norm_eps", 1e-5), context: 4096)
    plan.norm = .layer
    plan.normHasBias = true
    plan.arrangement = try configuration.flag("use_parallel_residual", default: false) ? .parallelShared : .sequential
    plan.rotate(try configuration.rotary(headSize: plan.headSize, defaults: .init(part: 0.25)))
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    plan.hasQueryKeyValueBias = try configuration.flag("use_qkv_bias", default: false)
    let layer = "model.layers.#.self_attn."
    plan.naming = CheckpointNaming([.queryNorm: layer + "q_layernorm", .keyNorm: layer + "k_layernorm"])
    plan.naming.headNorms = .separate
    if try configuration.flag("qk_layernorm", default: false) {
      guard plan.layers * plan.heads <= Self.mostNorms else {
        throw configuration.refuse("qk_layernorm", "\(plan.layers) layers of \(plan.heads) heads would be too many tensors")
      }
      plan.queryKeyNorm = SpecPlan.QueryKeyNorm(span: .eachHead, kind: .layer)
    }
    return plan.spec()
  }
}
