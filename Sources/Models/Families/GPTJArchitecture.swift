import Tensors

/// GPT-J, Dolly v1: attention and an MLP without gate side by side behind one LayerNorm, partial rotary embedding of neighbours, biases
/// of the MLP and of the head. Facts: `transformers` modeling_gptj.py.
struct GPTJArchitecture: Architecture {
  let modelTypes = ["gptj"]

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var configuration = configuration
    configuration.aliases = [
      "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "intermediate_size": "n_inner",
      "max_position_embeddings": configuration.json["n_positions"] == nil ? "n_ctx" : "n_positions",
    ]
    var plan = try SpecPlan(configuration, epsilon: ("layer_norm_epsilon", 1e-5), channels: { 4 * $0 })
    plan.norm = .layer
    plan.normHasBias = true
    plan.arrangement = .parallelShared
    let rotated = try configuration.integerIfPresent("rotary_dim", in: 2...65536) ?? plan.headSize
    guard rotated % 2 == 0, rotated <= plan.headSize else {
      throw configuration.refuse("rotary_dim", "it must be an even number of the \(plan.headSize) elements of a head")
    }
    plan.rotate(RotarySpec(base: 10000, size: rotated == plan.headSize ? nil : rotated))
    plan.activation = try configuration.activation("activation_function", default: .geluTanh)
    plan.isGated = false
    (plan.hasMLPBias, plan.hasHeadBias) = (true, true)
    let layer = "transformer.h.#."
    plan.naming = CheckpointNaming([
      .embedding: "transformer.wte", .attentionNorm: layer + "ln_1", .query: layer + "attn.q_proj", .key: layer + "attn.k_proj",
      .value: layer + "attn.v_proj", .attentionOutput: layer + "attn.out_proj", .up: layer + "mlp.fc_in",
      .down: layer + "mlp.fc_out", .finalNorm: "transformer.ln_f",
    ])
    plan.naming.interleavesRotary = true
    return plan.spec()
  }
}
