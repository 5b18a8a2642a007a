import Tensors

/// Ministral 3: LLaMA with YaRN and queries that grow with their position. Facts: `transformers` modeling_ministral3.py.
struct Ministral3Architecture: Architecture {
  let modelTypes = ["ministral3"]
  var gguf: [any GGUFMapping] { [Mistral3GGUF()] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var configuration = configuration
    if configuration.json["rope_parameters"] == nil, configuration.json["rope_scaling"] == nil,
      case .object(var members) = configuration.json
    {
      members["rope_parameters"] = Self.usualRotary
      configuration.json = .object(members)
    }
    var plan = try SpecPlan(configuration, epsilon: ("rms_norm_eps", 1e-5), headSize: 128, context: 262_144)
    plan.rotate(try configuration.rotary(headSize: plan.headSize))
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    plan.windows = try configuration.windows(layers: plan.layers)
    let parameters = configuration.json["rope_parameters"] ?? configuration.json["rope_scaling"] ?? .null
    if let beta = try configuration.positive("llama_4_scaling_beta", of: parameters) {
      let original = try configuration.positive("original_max_position_embeddings", of: parameters) ?? 16384
      plan.queryScaling = QueryScaling(beta: beta, originalContext: max(1, Int(min(original, 1e9))))
    }
    return plan.spec()
  }

  /// What `transformers` takes where the configuration says nothing of rotary embedding.
  private static let usualRotary = JSONValue.object([
    "rope_type": .string("yarn"), "rope_theta": .double(1_000_000), "factor": .double(16),
    "original_max_position_embeddings": .int(16384), "beta_fast": .double(32), "beta_slow": .double(1),
    "mscale_all_dim": .double(1), "mscale": .double(1), "llama_4_scaling_beta": .double(0.1),
  ])
}
