import Tensors

/// The `config.json` of a model, read with bounds: every number that an architecture uses is checked here.
public struct Configuration: Sendable {
  /// The JSON object.
  public var json: JSONValue
  let file: String?
  /// Names of keys in configurations of this family that call them otherwise: "hidden_size" is "n_embd" in GPT-2's.
  var aliases: [String: String] = [:]

  /// Wraps a JSON object; `file` is named in errors.
  public init(_ json: JSONValue, file: String? = nil) {
    self.json = json
    self.file = file
  }

  /// The largest dimension that is accepted: more is a broken file.
  static let maximumDimension = 1 << 24

  func refuse(_ key: String, _ message: String) -> LMToolError {
    LMToolError(.badInput, message, file: file, at: .key(self.key(key)), rule: "MODEL-2")
  }

  /// The key as this configuration calls it.
  private func key(_ key: String) -> String { json[key] == nil ? aliases[key] ?? key : key }

  /// The value of a key; nil when absent or null.
  func value(_ key: String) -> JSONValue? { json[self.key(key)] }

  /// Whether a key is there, be it null.
  func has(_ key: String) -> Bool { json.object?[key] != nil || aliases[key].map { json.object?[$0] != nil } ?? false }

  /// A required integer within `range`.
  func integer(_ key: String, in range: ClosedRange<Int> = 1...maximumDimension) throws(LMToolError) -> Int {
    guard let value = try integerIfPresent(key, in: range) else {
      throw refuse(key, "the configuration lacks it; the model cannot be built without")
    }
    return value
  }

  /// An integer within `range`, or nil when absent or null.
  func integerIfPresent(_ key: String, in range: ClosedRange<Int> = 1...maximumDimension) throws(LMToolError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let number = value.int, range.contains(number) else {
      throw refuse(key, "it must be an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A number above zero that a 32-bit float can hold, or nil when absent or null.
  func positive(_ key: String, of object: JSONValue? = nil) throws(LMToolError) -> Double? {
    guard let value = object.map({ $0[key] }) ?? value(key) else { return nil }
    guard let number = value.double, Float(number).isFinite, Float(number) > 0 else {
      throw refuse(key, "it must be a number above zero that a 32-bit float can hold")
    }
    return number
  }

  /// A truth value, `fallback` when absent or null.
  func flag(_ key: String, default fallback: Bool) throws(LMToolError) -> Bool {
    guard let value = value(key) else { return fallback }
    guard let flag = value.bool else { throw refuse(key, "it must be true or false") }
    return flag
  }

  /// The activation that the first of `keys` names that is there.
  func activation(_ keys: String..., default fallback: MLPSpec.Activation) throws(LMToolError) -> MLPSpec.Activation {
    guard let key = keys.first(where: { value($0) != nil }), let value = value(key) else { return fallback }
    switch value.string {
    case "silu", "swish": return .silu
    case "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_tanh": return .geluTanh
    case "gelu": return .gelu
    case "relu": return .relu
    case let name:
      throw refuse(key, "the activation \(name?.printable ?? "given") is not supported; silu, gelu, gelu_new and relu are")
    }
  }

  /// Which layers have a sliding window, and how wide it is: `layer_types` where it is there, else `isSliding` of the layer's index.
  ///
  /// - Parameter usual: the window where the configuration has no key `sliding_window`; null there means none.
  func windows(
    layers: Int, usual: Int? = nil, isSliding: (Int) -> Bool = { _ in true }
  ) throws(LMToolError) -> [Int?] {
    let window = has("sliding_window") ? try integerIfPresent("sliding_window") : usual
    guard let kinds = value("layer_types")?.array else { return (0..<layers).map { isSliding($0) ? window : nil } }
    guard kinds.count == layers else {
      throw refuse("layer_types", "it names \(kinds.count) layers, but there are \(layers)")
    }
    return kinds.map { $0.string == "sliding_attention" ? window : nil }
  }

  /// The ids that end a text: `eos_token_id`, one or several.
  public var endTokens: [Int32] {
    let value = json["eos_token_id"]
    let ids = value?.array?.compactMap(\.int) ?? value?.int.map { [$0] } ?? []
    return ids.compactMap { Int32(exactly: $0) }.filter { $0 >= 0 }
  }
}
