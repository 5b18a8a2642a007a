import Tensors

/// The `config.json` of a model, read with bounds: every number that an architecture uses is checked here.
public struct Configuration: Sendable {
  /// The JSON object.
  public var json: JSONValue
  let file: String?

  /// Wraps a JSON object; `file` is named in errors.
  public init(_ json: JSONValue, file: String? = nil) {
    self.json = json
    self.file = file
  }

  /// The largest dimension that is accepted: more is a broken file.
  static let maximumDimension = 1 << 24

  func refuse(_ key: String, _ message: String) -> LMToolError {
    LMToolError(.badInput, message, file: file, at: .key(key), rule: "MODEL-2")
  }

  /// A required integer within `range`.
  func integer(_ key: String, in range: ClosedRange<Int> = 1...maximumDimension) throws(LMToolError) -> Int {
    guard let value = try integerIfPresent(key, in: range) else {
      throw refuse(key, "the configuration lacks it; the model cannot be built without")
    }
    return value
  }

  /// An integer within `range`, or nil when absent or null.
  func integerIfPresent(_ key: String, in range: ClosedRange<Int> = 1...maximumDimension) throws(LMToolError) -> Int? {
    guard let value = json[key] else { return nil }
    guard let number = value.int, range.contains(number) else {
      throw refuse(key, "it must be an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A number above zero that a 32-bit float can hold, or nil when absent or null.
  func positive(_ key: String, of object: JSONValue? = nil) throws(LMToolError) -> Double? {
    guard let value = (object ?? json)[key] else { return nil }
    guard let number = value.double, Float(number).isFinite, Float(number) > 0 else {
      throw refuse(key, "it must be a number above zero that a 32-bit float can hold")
    }
    return number
  }

  /// A truth value, `fallback` when absent or null.
  func flag(_ key: String, default fallback: Bool) throws(LMToolError) -> Bool {
    guard let value = json[key] else { return fallback }
    guard let flag = value.bool else { throw refuse(key, "it must be true or false") }
    return flag
  }

  /// The family: `model_type`, in lower case.
  func modelType() throws(LMToolError) -> String {
    guard let type = json["model_type"]?.string else {
      throw refuse("model_type", "the configuration does not say which family the model is of")
    }
    return type.lowercased()
  }

  /// Rotary embedding, in the older form (`rope_theta`, `rope_scaling`) or that of transformers 5 (`rope_parameters`).
  func rotary() throws(LMToolError) -> RotarySpec {
    let parameters = json["rope_parameters"] ?? json["rope_scaling"]
    let inner = try positive("rope_theta", of: parameters ?? json), outer = try positive("rope_theta")
    let base = inner ?? outer ?? 10000
    guard let parameters else { return RotarySpec(base: base) }
    switch try scalingKind(parameters) {
    case "default":
      return RotarySpec(base: base)
    case "linear":
      return RotarySpec(base: base, scaling: .linear(factor: try scalingNumber("factor", parameters)))
    case "llama3":
      return RotarySpec(base: base, scaling: try llama3(parameters))
    case let kind:
      throw refuse("rope_type", "rotary scaling of the kind \(kind.printable) is not supported; default, linear and llama3 are")
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
    let original = try scalingNumber("original_max_position_embeddings", parameters)
    let low = try scalingNumber("low_freq_factor", parameters), high = try scalingNumber("high_freq_factor", parameters)
    guard high > low else { throw refuse("high_freq_factor", "it must be above low_freq_factor") }
    return .llama3(
      factor: try scalingNumber("factor", parameters), lowFrequency: low, highFrequency: high,
      originalContext: Int(min(original, 1e9)))
  }

  private func scalingNumber(_ key: String, _ parameters: JSONValue) throws(LMToolError) -> Double {
    guard let value = try positive(key, of: parameters) else {
      throw refuse(key, "the rotary scaling lacks it")
    }
    return value
  }

  /// The ids that end a text: `eos_token_id`, one or several.
  public var endTokens: [Int32] {
    let value = json["eos_token_id"]
    let ids = value?.array?.compactMap(\.int) ?? value?.int.map { [$0] } ?? []
    return ids.compactMap { Int32(exactly: $0) }.filter { $0 >= 0 }
  }
}
