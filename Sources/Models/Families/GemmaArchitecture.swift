import Tensors

/// Gemma 1, 2 and 3 (text): LLaMA with norms that hold w - 1, embeddings times √width and a GELU-gated MLP; from 2 on with norms of what
/// the branches add, sliding windows and softcaps, from 3 on with norms of queries and keys. Facts: `transformers` modeling_gemma.py,
/// modeling_gemma2.py and modeling_gemma3.py.
struct GemmaArchitecture: Architecture {
  let modelTypes = ["gemma", "gemma2", "gemma3_text"]
  var gguf: [any GGUFMapping] { (1...3).map { GemmaGGUF(generation: $0) } }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    let type = try configuration.modelType()
    if try configuration.flag("use_bidirectional_attention", default: false) {
      throw configuration.refuse("use_bidirectional_attention", "attention to later tokens is not supported")
    }
    var plan = try SpecPlan(configuration, isTied: true, headSize: 256, context: 8192)
    plan.normOffset = 1
    plan.embeddingScale = Float(plan.width).squareRoot()
    plan.activation = try configuration.activation("hidden_activation", "hidden_act", default: .geluTanh)
    // The first files say "gelu" and mean its approximation.
    if type == "gemma", plan.activation == .gelu { plan.activation = .geluTanh }
    plan.hasQueryKeyValueBias = try configuration.flag("attention_bias", default: false)
    plan.hasOutputBias = plan.hasQueryKeyValueBias
    if type == "gemma" {
      plan.rotate(try configuration.rotary(headSize: plan.headSize))
    } else {
      try takeLaterBlocks(&plan, configuration, isThird: type == "gemma3_text")
    }
    return plan.spec()
  }

  private func takeLaterBlocks(
    _ plan: inout SpecPlan, _ configuration: Configuration, isThird: Bool
  ) throws(LMToolError) {
    plan.hasOutputNorms = true
    let scalar = try configuration.positive("query_pre_attn_scalar") ?? 256
    plan.scales = plan.scales.map { _ in Float(1 / scalar.squareRoot()) }
    plan.softcap = try softcap("attn_logit_softcapping", usual: isThird ? nil : 50, configuration)
    plan.logitSoftcap = try softcap("final_logit_softcapping", usual: isThird ? nil : 30, configuration)
    let layer = "model.layers.#."
    plan.naming = CheckpointNaming([
      .attentionOutputNorm: layer + "post_attention_layernorm", .mlpNorm: layer + "pre_feedforward_layernorm",
      .mlpOutputNorm: layer + "post_feedforward_layernorm",
    ])
    let pattern = isThird ? try slidingPattern(configuration) : 2
    plan.windows = try configuration.windows(layers: plan.layers, usual: 4096) { ($0 + 1) % pattern != 0 }
    guard isThird else { return plan.rotate(try configuration.rotary(headSize: plan.headSize)) }
    plan.queryKeyNorm = SpecPlan.QueryKeyNorm(span: .head)
    let full = try configuration.rotary(headSize: plan.headSize, layers: "full_attention", defaults: .init(base: 1_000_000))
    let sliding = try localRotary(plan.headSize, configuration)
    plan.rotary = plan.windows.map { $0 == nil ? full : sliding }
  }

  /// A softcap: null means none.
  private func softcap(_ key: String, usual: Float?, _ configuration: Configuration) throws(LMToolError) -> Float? {
    configuration.has(key) ? try configuration.positive(key).map { Float($0) } : usual
  }

  /// Every how many layers one sees everything.
  private func slidingPattern(_ configuration: Configuration) throws(LMToolError) -> Int {
    let newer = try configuration.integerIfPresent("_sliding_window_pattern")
    return try configuration.integerIfPresent("sliding_window_pattern") ?? newer ?? 6
  }

  /// Rotary embedding of layers with a window: never scaled in older files.
  private func localRotary(_ headSize: Int, _ configuration: Configuration) throws(LMToolError) -> RotarySpec {
    let kind = "sliding_attention"
    if configuration.json["rope_parameters"]?[kind] != nil {
      return try configuration.rotary(headSize: headSize, layers: kind)
    }
    return RotarySpec(base: try configuration.positive("rope_local_base_freq") ?? 10000)
  }
}
