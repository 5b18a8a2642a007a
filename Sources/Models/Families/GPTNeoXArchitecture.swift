import Tensors

/// GPT-NeoX: Pythia, Dolly v2, OpenChatKit, OpenAssistant's Pythia. LayerNorm, partial rotary embedding, an MLP without gate, attention
/// and MLP side by side or one after the other; queries, keys and values are stored head by head. Facts: `transformers`
/// modeling_gpt_neox.py.
struct GPTNeoXArchitecture: Architecture {
  let modelTypes = ["gpt_neox"]
  var gguf: [any GGUFMapping] { [GPTNeoXGGUF()] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var configuration = configuration.withoutGroupedHeads
    configuration.aliases = ["rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"]
    var plan = try SpecPlan(configuration, epsilon: ("layer_norm_eps", 1e-5))
    plan.norm = .layer
    plan.normHasBias = true
    plan.arrangement = try configuration.flag("use_parallel_residual", default: true) ? .parallel : .sequential
    plan.rotate(try configuration.rotary(headSize: plan.headSize, defaults: .init(part: 0.25)))
    plan.activation = try configuration.activation("hidden_act", default: .gelu)
    plan.isGated = false
    plan.hasQueryKeyValueBias = try configuration.flag("attention_bias", default: true)
    plan.hasOutputBias = plan.hasQueryKeyValueBias
    plan.hasMLPBias = true
    plan.naming = Self.naming
    return plan.spec()
  }

  private static var naming: CheckpointNaming {
    let layer = "gpt_neox.layers.#.", attention = layer + "attention.query_key_value"
    var naming = CheckpointNaming([
      .embedding: "gpt_neox.embed_in", .attentionNorm: layer + "input_layernorm", .query: attention, .key: attention,
      .value: attention, .attentionOutput: layer + "attention.dense", .mlpNorm: layer + "post_attention_layernorm",
      .up: layer + "mlp.dense_h_to_4h", .down: layer + "mlp.dense_4h_to_h", .finalNorm: "gpt_neox.final_layer_norm",
      .head: "embed_out",
    ])
    naming.queryKeyValue = .heads
    return naming
  }
}
