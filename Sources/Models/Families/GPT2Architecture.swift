import Tensors

/// GPT-2, DistilGPT2: pre-norm blocks with LayerNorm, learned positions, an MLP without gate, biases throughout. Matrices are stored as
/// [inputs, outputs], queries, keys and values as one. Facts: `transformers` modeling_gpt2.py.
struct GPT2Architecture: Architecture {
  let modelTypes = ["gpt2"]
  var gguf: [any GGUFMapping] { [GPT2GGUF()] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var configuration = configuration.withoutGroupedHeads
    configuration.aliases = [
      "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "intermediate_size": "n_inner",
      "max_position_embeddings": configuration.json["n_positions"] == nil ? "n_ctx" : "n_positions",
    ]
    if try configuration.flag("add_cross_attention", default: false) {
      throw configuration.refuse("add_cross_attention", "attention to an encoder is not supported")
    }
    var plan = try SpecPlan(
      configuration, epsilon: ("layer_norm_epsilon", 1e-5), isTied: true, channels: { 4 * $0 }, context: 1024)
    plan.norm = .layer
    plan.normHasBias = true
    plan.positions = (rows: plan.context, offset: 0)
    plan.activation = try configuration.activation("activation_function", default: .geluTanh)
    plan.isGated = false
    (plan.hasQueryKeyValueBias, plan.hasOutputBias, plan.hasMLPBias) = (true, true, true)
    if try !configuration.flag("scale_attn_weights", default: true) { plan.scales = plan.scales.map { _ in 1 } }
    if try configuration.flag("scale_attn_by_inverse_layer_idx", default: false) {
      plan.scales = plan.scales.enumerated().map { $1 / Float($0 + 1) }
    }
    plan.naming = Self.naming
    return plan.spec()
  }

  private static var naming: CheckpointNaming {
    let attention = "transformer.h.#.attn.c_attn"
    var naming = CheckpointNaming([
      .embedding: "transformer.wte", .positions: "transformer.wpe", .attentionNorm: "transformer.h.#.ln_1", .query: attention,
      .key: attention, .value: attention, .attentionOutput: "transformer.h.#.attn.c_proj", .mlpNorm: "transformer.h.#.ln_2",
      .up: "transformer.h.#.mlp.c_fc", .down: "transformer.h.#.mlp.c_proj", .finalNorm: "transformer.ln_f",
    ])
    naming.queryKeyValue = .rows
    naming.isTransposed = true
    return naming
  }
}
