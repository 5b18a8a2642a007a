import Tensors

/// OPT: LayerNorm, learned positions that begin at row 2, an MLP without gate, biases throughout. OPT-350M has its norms behind the
/// branches and an embedding narrower than the stream. Facts: `transformers` modeling_opt.py.
struct OPTArchitecture: Architecture {
  let modelTypes = ["opt"]

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var configuration = configuration
    configuration.aliases = ["intermediate_size": "ffn_dim"]
    guard try configuration.flag("layer_norm_elementwise_affine", default: true) else {
      throw configuration.refuse("layer_norm_elementwise_affine", "norms without weights are not supported")
    }
    var plan = try SpecPlan(configuration, epsilon: ("layer_norm_eps", 1e-5), isTied: true)
    let isBefore = try configuration.flag("do_layer_norm_before", default: true)
    plan.norm = .layer
    plan.normHasBias = true
    plan.arrangement = isBefore ? .sequential : .postNorm
    let lacksFinalNorm = try configuration.flag("_remove_final_layer_norm", default: false)
    plan.hasFinalNorm = isBefore && !lacksFinalNorm
    plan.positions = (rows: plan.context + 2, offset: 2)
    plan.activation = try configuration.activation("activation_function", default: .relu)
    plan.isGated = false
    let hasBias = try configuration.flag("enable_bias", default: true)
    (plan.hasQueryKeyValueBias, plan.hasOutputBias, plan.hasMLPBias) = (hasBias, hasBias, hasBias)
    let columns = try configuration.integerIfPresent("word_embed_proj_dim") ?? plan.width
    plan.embeddingWidth = columns == plan.width ? nil : columns
    plan.naming = Self.naming
    return plan.spec()
  }

  private static var naming: CheckpointNaming {
    let body = "model.decoder.", layer = body + "layers.#."
    return CheckpointNaming([
      .embedding: body + "embed_tokens", .positions: body + "embed_positions", .projectIn: body + "project_in",
      .attentionNorm: layer + "self_attn_layer_norm", .query: layer + "self_attn.q_proj", .key: layer + "self_attn.k_proj",
      .value: layer + "self_attn.v_proj", .attentionOutput: layer + "self_attn.out_proj", .mlpNorm: layer + "final_layer_norm",
      .up: layer + "fc1", .down: layer + "fc2", .finalNorm: body + "final_layer_norm", .projectOut: body + "project_out",
    ])
  }
}
