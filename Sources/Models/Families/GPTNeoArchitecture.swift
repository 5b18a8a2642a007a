import Tensors

/// GPT-Neo, TinyStories: GPT-2 with separate queries, keys and values without biases, scores that are not scaled, and layers that see
/// only a window. Facts: `transformers` modeling_gpt_neo.py.
struct GPTNeoArchitecture: Architecture {
  let modelTypes = ["gpt_neo"]

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var configuration = configuration
    configuration.aliases = ["num_hidden_layers": "num_layers", "num_attention_heads": "num_heads"]
    var plan = try SpecPlan(configuration, epsilon: ("layer_norm_epsilon", 1e-5), isTied: true, channels: { 4 * $0 })
    plan.norm = .layer
    plan.normHasBias = true
    plan.positions = (rows: plan.context, offset: 0)
    plan.activation = try configuration.activation("activation_function", default: .geluTanh)
    plan.isGated = false
    plan.scales = plan.scales.map { _ in 1 }
    (plan.hasOutputBias, plan.hasMLPBias) = (true, true)
    let window = try configuration.integerIfPresent("window_size") ?? 256
    plan.windows = try kinds(configuration, layers: plan.layers).map { $0 == "local" ? window : nil }
    let layer = "transformer.h.#.", attention = layer + "attn.attention."
    plan.naming = CheckpointNaming([
      .embedding: "transformer.wte", .positions: "transformer.wpe", .attentionNorm: layer + "ln_1",
      .query: attention + "q_proj", .key: attention + "k_proj", .value: attention + "v_proj",
      .attentionOutput: attention + "out_proj", .mlpNorm: layer + "ln_2", .up: layer + "mlp.c_fc",
      .down: layer + "mlp.c_proj", .finalNorm: "transformer.ln_f",
    ])
    return plan.spec()
  }

  /// "global" or "local" for each layer: `attention_layers`, or what `attention_types` repeats.
  private func kinds(_ configuration: Configuration, layers: Int) throws(LMToolError) -> [String] {
    var kinds = (configuration.json["attention_layers"]?.array ?? []).compactMap(\.string)
    if configuration.json["attention_layers"] == nil {
      for item in configuration.json["attention_types"]?.array ?? [] {
        let cycle = (item.array?.first?.array ?? []).compactMap(\.string), times = item.array?.last?.int ?? 0
        guard (0...layers).contains(times), cycle.count <= layers else {
          throw configuration.refuse("attention_types", "it repeats more kinds of attention than there are layers")
        }
        for _ in 0..<times { kinds += cycle }
      }
    }
    guard kinds.count == layers, kinds.allSatisfy({ $0 == "global" || $0 == "local" }) else {
      throw configuration.refuse("attention_types", "it must say global or local for each of the \(layers) layers")
    }
    return kinds
  }
}
