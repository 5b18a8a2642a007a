import Checkpoints
import Tensors

extension GGUFMapping {
  /// The Hugging Face configuration of what a file says.
  ///
  /// - Throws: `badInput` (MODEL-2) naming the key of the file.
  public func configuration(of model: GGUFModel) throws(LMToolError) -> JSONValue {
    var config = try commonConfiguration(of: model)
    try complete(&config, of: model)
    for (key, own) in traits.keys {
      if let value = config.removeValue(forKey: key) { config[own] = value }
    }
    for key in traits.withoutKeys { config[key] = nil }
    return .object(config)
  }

  private func commonConfiguration(of model: GGUFModel) throws(LMToolError) -> [String: JSONValue] {
    let width = try model.integer("embedding_length"), layers = try model.integer("block_count")
    let sizes = try GGUFLayerSizes(model, layers: layers, mayDiffer: traits.hasLayerSizes)
    guard let vocabulary = model.shapes["token_embd.weight"]?.first else {
      throw model.refuse("token_embd.weight", "the file has no token embedding")
    }
    let headSize = model.value("attention.key_length")?.int ?? width / sizes.first.heads
    guard (2...65536).contains(headSize) else { throw model.refuse("attention.key_length", "it must be from 2 to 65536") }
    let epsilon = model.number("attention." + epsilonKey)
    var config: [String: JSONValue] = [
      "architectures": .array([.string(traits.modelClass)]), "model_type": .string(traits.modelTypes[0]),
      "hidden_size": .int(width), "num_attention_heads": .int(sizes.whole.heads), "num_hidden_layers": .int(layers),
      "intermediate_size": .int(sizes.whole.channels), "num_key_value_heads": .int(sizes.whole.keyValueHeads),
      "vocab_size": .int(vocabulary),
      "max_position_embeddings": .int(model.value("context_length")?.int ?? 2048),
      (traits.isLayerNorm ? "layer_norm_eps" : "rms_norm_eps"): .double(epsilon ?? 1e-5),
      "rope_theta": .double(model.number("rope.freq_base") ?? 10000), "hidden_act": .string(traits.activation),
      "tie_word_embeddings": .bool(traits.tiedHead == .always || !model.has("output.weight")),
    ]
    if traits.hasFreeHeadSize { config["head_dim"] = .int(headSize) }
    if let differing = sizes.differing {
      config[Configuration.pruned] = .object(["layers": .array(differing.map(\.json))])
    }
    try addRotary(to: &config, of: model, headSize: headSize)
    for (key, id) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
      if let id = model.token(id + "_token_id") { config[key] = .int(id) }
    }
    return config
  }

  /// The key of the norms' ε.
  var epsilonKey: String { traits.isLayerNorm ? "layer_norm_epsilon" : "layer_norm_rms_epsilon" }

  private func addRotary(
    to config: inout [String: JSONValue], of model: GGUFModel, headSize: Int
  ) throws(LMToolError) {
    let rotated = model.value("rope.dimension_count")?.int ?? headSize
    guard (2...headSize).contains(rotated) else {
      throw model.refuse("rope.dimension_count", "it must be from 2 to the \(headSize) elements of a head")
    }
    if traits.rotatesInPart {
      // A little more where the quotient would be rounded to less.
      let part = Double(rotated) / Double(headSize), isEnough = Int(Double(headSize) * part) == rotated
      config["partial_rotary_factor"] = .double(isEnough ? part : (Double(rotated) + 0.5) / Double(headSize))
    }
    let reader = GGUFRotary(model: model, headSize: headSize, rotated: rotated)
    config["rope_scaling"] = try reader.scaling(base: config["rope_theta"]?.double ?? 10000)
    if reader.isLongRope, let original = reader.originalContext {
      config["original_max_position_embeddings"] = .int(original)
    }
  }
}

/// Rotary scaling of a GGUF file: the keys `rope.scaling.*`, and tensors of factors.
struct GGUFRotary {
  let model: GGUFModel
  let headSize: Int
  let rotated: Int

  /// The model shapes of Llama 3.1 and 3.2 in `rope_freqs.weight`: factor, with 1, 4 and 8192 as the other parameters.
  private static let knownFactors: [Double] = [8, 32]

  var isLongRope: Bool { model.has("rope_factors_long.weight") && model.has("rope_factors_short.weight") }
  var originalContext: Int? { model.value("rope.scaling.original_context_length")?.int }

  /// `rope_scaling` of the configuration; nil for none.
  func scaling(base: Double) throws(LMToolError) -> JSONValue? {
    if model.has("rope_freqs.weight") { return try llama3(base: base) }
    if isLongRope { return try longrope() }
    let factor = model.number("rope.scaling.factor") ?? model.number("rope.scale_linear")
    let kind = model.value("rope.scaling.type")?.string ?? (factor == nil ? "none" : "linear")
    switch kind {
    case "none": return nil
    case "linear":
      guard let factor else { throw model.refuse("rope.scaling.factor", "it is needed") }
      return factor == 1 ? nil : .object(["rope_type": .string("linear"), "factor": .double(factor)])
    case "yarn":
      guard let factor, factor > 0 else { throw model.refuse("rope.scaling.factor", "it is needed, and above zero") }
      return .object(yarn(factor: factor))
    default:
      throw model.refuse("rope.scaling.type", "rotary scaling of the kind \(kind.printable) is not supported")
    }
  }

  private func yarn(factor: Double) -> [String: JSONValue] {
    var parameters: [String: JSONValue] = ["rope_type": .string("yarn"), "factor": .double(factor)]
    parameters["original_max_position_embeddings"] = originalContext.map { .int($0) }
    parameters["beta_fast"] = model.number("rope.scaling.yarn_beta_fast").map { .double($0) }
    parameters["beta_slow"] = model.number("rope.scaling.yarn_beta_slow").map { .double($0) }
    let usual = YarnScaling.magnitude(factor: factor)
    var attention = model.number("rope.scaling.yarn_attn_factor") ?? usual
    if let weight = model.number("rope.scaling.yarn_log_multiplier"), weight != 0 {
      attention = usual / YarnScaling.magnitude(factor: factor, weight: weight)
    }
    attention *= model.number("rope.scaling.attn_factor") ?? 1
    if abs(attention - usual) > 1e-6 * usual {
      parameters["attention_factor"] = .double(GGUFModel.decimal(Float(attention)))
    }
    return parameters
  }

  private func longrope() throws(LMToolError) -> JSONValue {
    func factors(_ name: String) throws(LMToolError) -> JSONValue {
      let numbers = model.factors[name] ?? []
      guard numbers.count == rotated / 2, numbers.allSatisfy({ $0.isFinite && $0 > 0 }) else {
        throw model.refuse(name, "it must have \(rotated / 2) numbers above zero")
      }
      return .array(numbers.map { .double(GGUFModel.decimal($0)) })
    }
    var parameters: [String: JSONValue] = [
      "rope_type": .string("longrope"), "long_factor": try factors("rope_factors_long.weight"),
      "short_factor": try factors("rope_factors_short.weight"),
    ]
    let context = model.value("context_length")?.int ?? 0, original = originalContext ?? context
    let usual = LongRopeScaling.magnitude(factor: Double(context) / Double(max(1, original)), original: original)
    let given = model.number("rope.scaling.attn_factor") ?? 1
    if abs(given - usual) > 1e-6 * usual { parameters["attention_factor"] = .double(given) }
    return .object(parameters)
  }

  /// Finds the parameters that give the divisors of the file.
  private func llama3(base: Double) throws(LMToolError) -> JSONValue {
    let divisors = model.factors["rope_freqs.weight"] ?? []
    let original = originalContext ?? 8192
    for factor in Self.knownFactors + (divisors.max().map { [Double($0)] } ?? []) {
      let scaling = RotarySpec.Scaling.llama3(factor: factor, lowFrequency: 1, highFrequency: 4, originalContext: original)
      guard let expected = RotarySpec(base: base, scaling: scaling).divisors(headSize: headSize) else { continue }
      let isClose = zip(expected, divisors).allSatisfy { abs($0 - $1) <= 1e-3 * abs($0) }
      guard isClose, expected.count == divisors.count else { continue }
      return .object([
        "rope_type": .string("llama3"), "factor": .double(factor), "low_freq_factor": .double(1), "high_freq_factor": .double(4),
        "original_max_position_embeddings": .int(original),
      ])
    }
    throw model.refuse(
      "rope_freqs.weight", "the rotary factors are not those of Llama 3.1 or 3.2; they cannot be written to a configuration")
  }
}
