import Tensors

/// Phi-3 and Phi-3.5: LLaMA with queries, keys and values in one tensor, gate and up in another, and LongRoPE. Facts: `transformers`
/// modeling_phi3.py.
struct Phi3Architecture: Architecture {
  let modelTypes = ["phi3"]
  var gguf: [any GGUFMapping] { [Phi3GGUF()] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var plan = try SpecPlan(configuration, epsilon: ("rms_norm_eps", 1e-5), context: 4096)
    // Older files call LongRoPE "su", and the oldest "yarn".
    let defaults = Configuration.RotaryDefaults(kinds: ["su": "longrope", "yarn": "longrope"])
    plan.rotate(try configuration.rotary(headSize: plan.headSize, defaults: defaults))
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    plan.windows = try configuration.windows(layers: plan.layers)
    let attention = "model.layers.#.self_attn.qkv_proj", mlp = "model.layers.#.mlp.gate_up_proj"
    plan.naming = CheckpointNaming([.query: attention, .key: attention, .value: attention, .gate: mlp, .up: mlp])
    plan.naming.queryKeyValue = .rows
    plan.naming.fusesGateUp = true
    return plan.spec()
  }
}
