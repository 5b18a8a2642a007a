import Tensors

/// Phi-1, Phi-1.5 and Phi-2: attention and an MLP without gate side by side behind one LayerNorm, partial rotary embedding, biases
/// throughout, of the head too. Facts: `transformers` modeling_phi.py.
struct PhiArchitecture: Architecture {
  let modelTypes = ["phi"]
  var gguf: [any GGUFMapping] { [Phi2GGUF()] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var plan = try SpecPlan(configuration, epsilon: ("layer_norm_eps", 1e-5))
    plan.rotate(try configuration.rotary(headSize: plan.headSize, defaults: .init(part: 0.5)))
    plan.activation = try configuration.activation("hidden_act", default: .geluTanh)
    plan.takePhiBlocks()
    if try configuration.flag("qk_layernorm", default: false) {
      plan.queryKeyNorm = SpecPlan.QueryKeyNorm(span: .head, kind: .layer, hasBias: true)
    }
    let layer = "model.layers.#."
    plan.naming = CheckpointNaming([
      .attentionOutput: layer + "self_attn.dense", .queryNorm: layer + "self_attn.q_layernorm",
      .keyNorm: layer + "self_attn.k_layernorm", .up: layer + "mlp.fc1", .down: layer + "mlp.fc2",
      .finalNorm: "model.final_layernorm",
    ])
    return plan.spec()
  }
}

/// Phi-1 and Phi-1.5 as Microsoft first published them, with code of their own: queries, keys and values in one tensor, names by
/// position in a sequence (`mixformer-sequential`) or by module (`phi-msft`).
struct MixFormerArchitecture: Architecture {
  let modelTypes = ["mixformer-sequential", "phi-msft"]

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    let isSequential = try configuration.modelType() == "mixformer-sequential"
    var configuration = configuration
    configuration.aliases = [
      "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "intermediate_size": "n_inner",
      "num_key_value_heads": "n_head_kv", "max_position_embeddings": "n_positions",
    ]
    var plan = try SpecPlan(configuration, epsilon: ("layer_norm_epsilon", 1e-5), channels: { 4 * $0 })
    let rotated = min(try configuration.integerIfPresent("rotary_dim", in: 2...65536) ?? 32, plan.headSize)
    guard rotated % 2 == 0 else { throw configuration.refuse("rotary_dim", "it must be even") }
    plan.rotate(RotarySpec(base: 10000, size: rotated == plan.headSize ? nil : rotated))
    plan.activation = try configuration.activation("activation_function", default: .geluTanh)
    plan.takePhiBlocks()
    plan.naming = isSequential ? Self.sequential(layers: plan.layers) : Self.modules
    return plan.spec()
  }

  private static func naming(
    embedding: String, layer: String, norm: String, head: String, firstLayer: Int = 0
  ) -> CheckpointNaming {
    let attention = layer + "mixer.Wqkv"
    var naming = CheckpointNaming([
      .embedding: embedding, .attentionNorm: layer + "ln", .query: attention, .key: attention, .value: attention,
      .attentionOutput: layer + "mixer.out_proj", .up: layer + "mlp.fc1", .down: layer + "mlp.fc2", .finalNorm: norm, .head: head,
    ])
    naming.queryKeyValue = .rows
    naming.firstLayer = firstLayer
    return naming
  }

  private static func sequential(layers: Int) -> CheckpointNaming {
    let last = "layers.\(layers + 1)"
    return naming(
      embedding: "layers.0.wte", layer: "layers.#.", norm: last + ".ln", head: last + ".linear", firstLayer: 1)
  }

  private static var modules: CheckpointNaming {
    naming(embedding: "transformer.embd.wte", layer: "transformer.h.#.", norm: "lm_head.ln", head: "lm_head.linear")
  }
}

extension SpecPlan {
  /// Blocks of Phi: LayerNorm before attention and MLP together, biases throughout.
  fileprivate mutating func takePhiBlocks() {
    norm = .layer
    normHasBias = true
    arrangement = .parallelShared
    isGated = false
    (hasQueryKeyValueBias, hasOutputBias, hasMLPBias, hasHeadBias) = (true, true, true, true)
  }
}
