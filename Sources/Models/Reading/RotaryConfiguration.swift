import Tensors

extension Configuration {
  /// What a family takes for granted of rotary embedding.
  struct RotaryDefaults {
    /// θ where the configuration does not say it.
    var base = 10000.0
    /// The part of each head that is rotated.
    var part = 1.0
    /// Kinds of scaling that this family calls otherwise: "su" is longrope.
    var kinds: [String: String] = [:]
  }

  /// Rotary embedding, in the older form (`rope_theta`, `rope_scaling`) or that of transformers 5 (`rope_parameters`).
  ///
  /// - Parameter kind: the kind of layer, where the parameters are given for each: "sliding_attention".
  func rotary(
    headSize: Int, layers kind: String? = nil, defaults: RotaryDefaults = RotaryDefaults()
  ) throws(LMToolError) -> RotarySpec {
    var parameters = value("rope_parameters") ?? value("rope_scaling")
    if let kind, let own = parameters?[kind] { parameters = own }
    let inner = try parameters.flatMap { (object) throws(LMToolError) in try positive("rope_theta", of: object) }
    let outer = try positive("rope_theta"), base = inner ?? outer ?? defaults.base
    let size = try rotatedSize(headSize: headSize, parameters, defaults)
    guard let parameters else { return RotarySpec(base: base, size: size) }
    let scaling = try scaling(of: parameters, frequencies: (size ?? headSize) / 2, defaults)
    return RotarySpec(base: base, scaling: scaling, size: size)
  }

  /// Elements of a head that are rotated; nil for all.
  private func rotatedSize(
    headSize: Int, _ parameters: JSONValue?, _ defaults: RotaryDefaults
  ) throws(LMToolError) -> Int? {
    let key = "partial_rotary_factor"
    let inner = try parameters.flatMap { (object) throws(LMToolError) in try positive(key, of: object) }
    let outer = try positive(key), part = inner ?? outer ?? defaults.part
    guard part <= 1 else { throw refuse(key, "it must be at most 1") }
    let size = Int(Double(headSize) * part)
    guard size >= 2, size % 2 == 0 else {
      throw refuse(key, "\(size) of the \(headSize) elements of a head would be rotated; it must be an even number")
    }
    return size == headSize ? nil : size
  }

  private func scaling(
    of parameters: JSONValue, frequencies: Int, _ defaults: RotaryDefaults
  ) throws(LMToolError) -> RotarySpec.Scaling {
    let given = try scalingKind(parameters)
    switch defaults.kinds[given] ?? given {
    case "default": return .none
    case "linear": return .linear(factor: try scalingNumber("factor", parameters))
    case "llama3": return try llama3(parameters)
    case "yarn": return .yarn(try yarn(parameters))
    case "longrope": return .longrope(try longrope(parameters, frequencies: frequencies))
    case let kind:
      throw refuse(
        "rope_type",
        "rotary scaling of the kind \(kind.printable) is not supported; default, linear, llama3, yarn and longrope are")
    }
  }

  /// The kind of rotary scaling: "default" when the parameters are only a base.
  private func scalingKind(_ parameters: JSONValue) throws(LMToolError) -> String {
    guard parameters.object != nil else { throw refuse("rope_scaling", "it must be an object or null") }
    guard let kind = parameters["rope_type"] ?? parameters["type"] else {
      guard parameters["factor"] == nil else { throw refuse("rope_type", "the rotary scaling does not say of which kind it is") }
      return "default"
    }
    guard let name = kind.string else { throw refuse("rope_type", "it must be a string") }
    return name
  }

  private func llama3(_ parameters: JSONValue) throws(LMToolError) -> RotarySpec.Scaling {
    let low = try scalingNumber("low_freq_factor", parameters), high = try scalingNumber("high_freq_factor", parameters)
    guard high > low else { throw refuse("high_freq_factor", "it must be above low_freq_factor") }
    return .llama3(
      factor: try scalingNumber("factor", parameters), lowFrequency: low, highFrequency: high,
      originalContext: try originalContext(parameters))
  }

  private func yarn(_ parameters: JSONValue) throws(LMToolError) -> YarnScaling {
    let original = try originalContext(parameters), factor = try stretch(parameters, original)
    func magnitude(_ weight: Double) -> Double { YarnScaling.magnitude(factor: factor, weight: weight) }
    var attention = magnitude(1)
    if let weight = try positive("mscale", of: parameters), let all = try positive("mscale_all_dim", of: parameters) {
      attention = magnitude(weight) / magnitude(all)
    }
    return YarnScaling(
      factor: factor, originalContext: original, betaFast: try positive("beta_fast", of: parameters) ?? 32,
      betaSlow: try positive("beta_slow", of: parameters) ?? 1,
      attentionFactor: try positive("attention_factor", of: parameters) ?? attention,
      truncates: parameters["truncate"]?.bool ?? true)
  }

  private func longrope(_ parameters: JSONValue, frequencies: Int) throws(LMToolError) -> LongRopeScaling {
    let original = try originalContext(parameters), factor = try stretch(parameters, original)
    let usual = LongRopeScaling.magnitude(factor: factor, original: original)
    return LongRopeScaling(
      short: try factors("short_factor", parameters, count: frequencies),
      long: try factors("long_factor", parameters, count: frequencies), originalContext: original,
      attentionFactor: try positive("attention_factor", of: parameters) ?? usual)
  }

  private func factors(_ key: String, _ parameters: JSONValue, count: Int) throws(LMToolError) -> [Double] {
    let numbers = (parameters[key]?.array ?? []).compactMap(\.double).filter { Float($0).isFinite && Float($0) > 0 }
    guard numbers.count == count, parameters[key]?.array?.count == count else {
      throw refuse(key, "it must be \(count) numbers above zero, one for each frequency")
    }
    return numbers
  }

  /// How many times longer the context became.
  private func stretch(_ parameters: JSONValue, _ original: Int) throws(LMToolError) -> Double {
    if let factor = try positive("factor", of: parameters) { return factor }
    guard let context = try positive("max_position_embeddings") else { throw refuse("factor", "the rotary scaling lacks it") }
    return context / Double(original)
  }

  /// The context before it was stretched, beside the parameters or among them.
  private func originalContext(_ parameters: JSONValue) throws(LMToolError) -> Int {
    let key = "original_max_position_embeddings"
    let outer = try positive(key), inner = try positive(key, of: parameters), whole = try positive("max_position_embeddings")
    guard let given = outer ?? inner ?? whole else { throw refuse(key, "the rotary scaling lacks it") }
    return max(2, Int(min(given, 1e9)))
  }

  private func scalingNumber(_ key: String, _ parameters: JSONValue) throws(LMToolError) -> Double {
    guard let value = try positive(key, of: parameters) else {
      throw refuse(key, "the rotary scaling lacks it")
    }
    return value
  }
}
