import Tensors

/// SmolLM3: LLaMA in which every fourth layer has no rotary embedding. Facts: `transformers` modeling_smollm3.py.
struct SmolLM3Architecture: Architecture {
  let modelTypes = ["smollm3"]
  var gguf: [any GGUFMapping] { [SmolLM3GGUF()] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var plan = try SpecPlan(configuration, isTied: true, context: 32768)
    let rotary = try configuration.rotary(headSize: plan.headSize, defaults: .init(base: 2_000_000))
    let isRotated = try rotatedLayers(configuration, count: plan.layers)
    plan.rotary = isRotated.map { $0 ? rotary : nil }
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    plan.hasQueryKeyValueBias = try configuration.flag("attention_bias", default: false)
    plan.hasOutputBias = plan.hasQueryKeyValueBias
    plan.hasMLPBias = try configuration.flag("mlp_bias", default: false)
    if try configuration.flag("use_sliding_window", default: false) {
      plan.windows = try configuration.windows(layers: plan.layers) { !isRotated[$0] }
    }
    return plan.spec()
  }

  /// `no_rope_layers` is 1 where a layer is rotated, in spite of its name.
  private func rotatedLayers(_ configuration: Configuration, count: Int) throws(LMToolError) -> [Bool] {
    guard let flags = configuration.json["no_rope_layers"]?.array else {
      let interval = try configuration.integerIfPresent("no_rope_layer_interval") ?? 4
      return (0..<count).map { ($0 + 1) % interval != 0 }
    }
    let rotated = flags.compactMap(\.int).map { $0 != 0 }
    guard rotated.count == count, flags.count == count else {
      throw configuration.refuse("no_rope_layers", "it must have a number for each of the \(count) layers")
    }
    return rotated
  }
}
