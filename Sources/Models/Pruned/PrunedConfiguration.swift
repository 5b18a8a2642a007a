import Tensors

/// The configuration of a pruned model: in the words of its family where these can say it, else with an object `lmtool` beside them
/// (MODEL-13).
struct PrunedConfiguration {
  private var members: [String: JSONValue]
  private let spec: ModelSpec
  private let kept: KeptParts

  /// Families whose heads have the size that width and number of heads make.
  private static let withoutHeadSize: Set<String> = [
    "gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "stablelm", "stablelm_epoch", "mixformer-sequential", "phi-msft",
  ]
  /// Families of which `transformers` refuses numbers of heads that do not divide the width, whatever the size of a head.
  private static let withDividingHeads: Set<String> = ["llama", "gemma2", "gemma3_text"]
  private static let layerKeys = ["num_hidden_layers", "n_layer", "num_layers"]
  private static let widthKeys = ["hidden_size", "n_embd"]
  private static let headKeys = ["num_attention_heads", "n_head", "num_heads"]
  private static let groupKeys = ["num_key_value_heads", "n_head_kv"]
  private static let channelKeys = ["intermediate_size", "n_inner", "ffn_dim"]

  /// The configuration of what `kept` leaves of the model that `config` describes as `spec`.
  static func json(_ config: JSONValue, _ spec: ModelSpec, _ kept: KeptParts) -> JSONValue {
    var result = PrunedConfiguration(members: config.object ?? [:], spec: spec, kept: kept)
    result.setLayers()
    result.setSizes()
    return .object(result.members)
  }

  private var type: String { members["model_type"]?.string?.lowercased() ?? "" }

  /// Sets a key under the names that the file has for it; under `usual` where it has none, or only null.
  private mutating func set(_ keys: [String], _ value: Int, usual: String? = nil) {
    let present = keys.filter { members[$0]?.int != nil }
    for key in present.isEmpty ? [usual].compactMap({ $0 }) : present { members[key] = .int(value) }
  }

  // MARK: Layers

  /// The number of layers, and what is said of each of them.
  private mutating func setLayers() {
    let indices = kept.layers.map(\.index), count = spec.layers.count
    set(Self.layerKeys, indices.count)
    guard indices != Array(0..<count) else { return }
    for (key, value) in members {
      guard let list = value.array, list.count == count else { continue }
      if ["layer_types", "attention_layers", "no_rope_layers"].contains(key) { members[key] = .array(indices.map { list[$0] }) }
    }
    let windows = indices.map { spec.layers[$0].attention.window },
      hasWindows = Set(spec.layers.map(\.attention.window)).count > 1
    if type == "gpt_neo" {
      let kinds = windows.map { JSONValue.string($0 == nil ? "global" : "local") }
      members["attention_layers"] = .array(kinds)
      members["attention_types"] = .array([.array([.array(kinds), .int(1)])])
    } else if hasWindows {
      members["layer_types"] = .array(windows.map { .string($0 == nil ? "full_attention" : "sliding_attention") })
    }
    if type == "smollm3" {
      members["no_rope_layers"] = .array(indices.map { .int(spec.layers[$0].attention.rotary == nil ? 0 : 1) })
    }
  }

  // MARK: Sizes

  private mutating func setSizes() {
    let before = kept.layers.map { LayerSizes(spec.layers[$0.index]) }, after = kept.layers.map { kept.sizes(of: $0, in: spec) }
    var own = members[Configuration.pruned]?.object ?? [:]
    // Where layers differed already, the keys of the family may say more than any layer has left.
    let hadLayers = own.removeValue(forKey: "layers") != nil
    let hasFewerHeads = hadLayers || after.map(\.heads) != before.map(\.heads)
    let hasFewerChannels = hadLayers || after.map(\.channels) != before.map(\.channels)
    let hasHeadSize = !Self.withoutHeadSize.contains(type)
    let whole = wholeHeads(before, after)
    if hasFewerHeads, hasHeadSize {
      set(Self.headKeys, whole.heads)
      set(Self.groupKeys, whole.keyValueHeads, usual: Self.groupKeys[0])
      members["head_dim"] = .int(spec.layers[0].attention.headSize)
    }
    if hasFewerChannels { set(Self.channelKeys, after.map(\.channels).max() ?? 1, usual: usualChannelKey) }
    setWidth(hasHeadSize, &own)
    let isSaid = Set(after).count == 1 && (hasHeadSize && whole.heads == after[0].heads || !hasFewerHeads)
    if !isSaid { own["layers"] = .array(after.map(\.json)) }
    members[Configuration.pruned] = own.isEmpty ? nil : .object(own)
  }

  /// The heads of a model with all layers filled up: as many as the largest layer has left, or the fewest above that the family can say.
  private func wholeHeads(_ before: [LayerSizes], _ after: [LayerSizes]) -> LayerSizes {
    let least = after.max { $0.keyValueHeads < $1.keyValueHeads } ?? LayerSizes(spec.layers[0])
    let most = before.max { $0.keyValueHeads < $1.keyValueHeads } ?? least, shared = least.heads / least.keyValueHeads
    guard Self.withDividingHeads.contains(type) else { return least }
    let width = kept.width?.count ?? spec.width
    let groups = (least.keyValueHeads...max(least.keyValueHeads, most.keyValueHeads)).first { width % ($0 * shared) == 0 }
    guard let groups else { return most }
    return LayerSizes(heads: groups * shared, keyValueHeads: groups, channels: least.channels)
  }

  private mutating func setWidth(_ hasHeadSize: Bool, _ own: inout [String: JSONValue]) {
    guard let width = kept.width?.count else { return }
    let headSize = JSONValue.int(spec.layers[0].attention.headSize)
    set(Self.widthKeys, width)
    if spec.projectIn == nil { set(["word_embed_proj_dim"], width) }
    // An MLP whose channels follow from the width has them said.
    set(Self.channelKeys, kept.layers.map(\.channels.count).max() ?? 1, usual: usualChannelKey)
    if hasHeadSize { members["head_dim"] = headSize } else { own["head_dim"] = headSize }
  }

  private var usualChannelKey: String {
    switch type {
    case "gpt2", "gptj", "mixformer-sequential", "phi-msft": "n_inner"
    case "opt": "ffn_dim"
    default: "intermediate_size"
    }
  }
}
