import Tensors
import Tokenizers

/// The `adapter_config.json` of a LoRA adapter (formats/lora.md).
struct LoRAConfiguration: Sendable {
  /// What the adapter was trained on, by its maker's word.
  let baseName: String?
  /// Whether rows are scaled to magnitudes (DoRA).
  let hasMagnitudes: Bool
  /// Whether head and embedding stay one tensor.
  let keepsTied: Bool
  private let file: String
  private let rank: Int
  private let alpha: Double
  private let isRankStabilized: Bool
  private let ranks: [(pattern: NamePattern, value: Double)]
  private let alphas: [(pattern: NamePattern, value: Double)]

  private static let largestRank = 1 << 16

  /// Reads the file at `path`.
  ///
  /// - Throws: `missingInput` when it is not there; `badInput` (LORA-1, -2, -3).
  init(path: String) throws(LMToolError) {
    guard exists(path) else {
      throw LMToolError(.missingInput, "the adapter's settings are not there; name the folder that peft saved", file: path)
    }
    try self.init(try decodeJSON(JSONValue.self, file: try MappedFile(path: path)), file: path)
  }

  private init(_ json: JSONValue, file: String) throws(LMToolError) {
    self.file = file
    func refuse(_ key: String, _ message: String, _ rule: Int) -> LMToolError {
      LMToolError(.badInput, message, file: file, at: .key(key), rule: "LORA-\(rule)")
    }
    func flag(_ key: String) throws(LMToolError) -> Bool {
      guard let value = json[key] else { return false }
      guard let flag = value.bool else { throw refuse(key, "it must be true or false", 3) }
      return flag
    }
    guard let kind = json["peft_type"]?.string, kind.uppercased() == "LORA" else {
      throw refuse(
        "peft_type", "adapters of the kind \(json["peft_type"]?.string?.printable ?? "given") are not supported; LORA is", 1)
    }
    if let objection = Self.objection(to: json) { throw refuse(objection.key, objection.message, 2) }
    guard let rank = json["r"]?.int, 1...Self.largestRank ~= rank else {
      throw refuse("r", "it must be an integer from 1 to \(Self.largestRank)", 3)
    }
    let alpha = json["lora_alpha"] ?? .int(8)
    guard let alpha = alpha.double, Float(alpha).isFinite else { throw refuse("lora_alpha", "it must be a number", 3) }
    self.rank = rank
    self.alpha = alpha
    baseName = json["base_model_name_or_path"]?.string
    isRankStabilized = try flag("use_rslora")
    hasMagnitudes = try flag("use_dora")
    keepsTied = try flag("ensure_weight_tying")
    ranks = try Self.patterns(json["rank_pattern"]) { refuse("rank_pattern", $0, 3) }
    alphas = try Self.patterns(json["alpha_pattern"]) { refuse("alpha_pattern", $0, 3) }
  }

  /// The first option that is not supported (LORA-2).
  private static func objection(to json: JSONValue) -> (key: String, message: String)? {
    let keys = [
      "lora_bias", "use_qalora", "use_bdlora", "layer_replication", "target_parameters", "trainable_token_indices",
      "alora_invocation_tokens", "arrow_config", "kasa_config", "monteclora_config",
    ]
    let off: [JSONValue?] = [nil, .bool(false), .array([]), .object([:])]
    if let key = keys.first(where: { !off.contains(json[$0]) }) {
      return (key, "this option is not supported: it is no plain sum of a matrix and a product")
    }
    guard let start = json["init_lora_weights"]?.string?.lowercased() else { return nil }
    guard ["pissa", "corda", "olora", "loftq", "lora_ga"].contains(where: start.hasPrefix) else { return nil }
    return (
      "init_lora_weights",
      "\(start.printable) changed the base before training; let peft convert the adapter when it saves it "
        + "(path_initial_model_for_weight_conversion)"
    )
  }

  private static func patterns(
    _ value: JSONValue?, refuse: (String) -> LMToolError
  ) throws(LMToolError) -> [(pattern: NamePattern, value: Double)] {
    guard let value else { return [] }
    guard let members = value.object, members.count <= 1 << 16 else {
      throw refuse("it must be an object of at most 65536 members")
    }
    var patterns: [(pattern: NamePattern, value: Double)] = []
    for (source, value) in members.sorted(by: { Array($0.key.utf8).lexicographicallyPrecedes(Array($1.key.utf8)) }) {
      guard let number = value.double, Float(number).isFinite else {
        throw refuse("the value of \(source.printable) must be a number")
      }
      do throws(LMToolError) {
        patterns.append((try NamePattern(source), number))
      } catch { throw refuse(error.message) }
    }
    return patterns
  }

  private func first(
    _ patterns: [(pattern: NamePattern, value: Double)], _ key: String, _ module: String
  ) throws(LMToolError) -> Double? {
    for pattern in patterns {
      guard let matches = pattern.pattern.matches(module) else {
        throw LMToolError(.badInput, "a pattern takes too long to match", file: file, at: .key(key), rule: "LORA-3")
      }
      if matches { return pattern.value }
    }
    return nil
  }

  /// The rank of a module's matrices.
  ///
  /// - Throws: `badInput` (LORA-3) when `rank_pattern` says what is no rank.
  func rank(of module: String) throws(LMToolError) -> Int {
    guard let value = try first(ranks, "rank_pattern", module) else { return rank }
    guard let rank = Int(exactly: value), 1...Self.largestRank ~= rank else {
      throw LMToolError(
        .badInput, "\(value) is no rank from 1 to \(Self.largestRank)", file: file, at: .key("rank_pattern"), rule: "LORA-3")
    }
    return rank
  }

  /// What B A of a module is multiplied with (LORA-8).
  func scale(of module: String, rank: Int) throws(LMToolError) -> Float {
    let alpha = try first(alphas, "alpha_pattern", module) ?? alpha
    return Float(alpha / (isRankStabilized ? Double(rank).squareRoot() : Double(rank)))
  }
}
