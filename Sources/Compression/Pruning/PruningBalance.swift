import Models
import Tensors

/// How much of each layer goes, by what it costs: the cheapest parts of all layers first.
struct PruningBalance {
  /// What each layer's parts are worth; by the number of the layer in the original.
  let importances: [Int: LayerImportance]
  /// The layers that are left.
  var layers: [Int]
  /// How many channels of each layer go, and how many heads of keys and values.
  var channels: [Int: Int] = [:]
  var groups: [Int: Int] = [:]

  /// Nothing goes yet of these layers.
  init(_ importances: [Int: LayerImportance], layers: [Int]) {
    self.importances = importances
    self.layers = layers
  }

  /// Takes a fraction of the channels of all layers, or of each.
  mutating func takeChannels(_ fraction: Double, of spec: ModelSpec, isUniform: Bool) {
    let sizes = layers.map { spec.layers[$0].mlp.up.outputs }
    let counts = Self.counts(fraction, sizes, isUniform: isUniform) { place in importances[layers[place]]?.channels ?? [] }
    for (layer, count) in zip(layers, counts) { channels[layer] = count }
  }

  /// Takes a fraction of the heads of keys and values of all layers, or of each.
  mutating func takeGroups(_ fraction: Double, of spec: ModelSpec, isUniform: Bool) {
    let sizes = layers.map { spec.layers[$0].attention.keyValueHeads }
    let counts = Self.counts(fraction, sizes, isUniform: isUniform) { place in importances[layers[place]]?.groups ?? [] }
    for (layer, count) in zip(layers, counts) { groups[layer] = count }
  }

  private static func counts(
    _ fraction: Double, _ sizes: [Int], isUniform: Bool, _ removals: (Int) -> [Removal]
  ) -> [Int] {
    if isUniform { return sizes.map { min($0 - 1, Int((fraction * Double($0)).rounded())) } }
    var counts = sizes.map { _ in 0 }
    let nats = sizes.indices.map { removals($0).prefix(sizes[$0] - 1).map(\.nats) }
    for _ in 0..<Int((fraction * Double(sizes.reduce(0, +))).rounded()) {
      let open = counts.indices.filter { counts[$0] < nats[$0].count }
      guard let next = open.min(by: { nats[$0][counts[$0]] < nats[$1][counts[$1]] }) else { break }
      counts[next] += 1
    }
    return counts
  }

  /// What is left of a model whose layers are those of `layers`, by its own numbers.
  func kept(of spec: ModelSpec) -> KeptParts {
    var kept = KeptParts(of: spec)
    for (index, layer) in layers.enumerated() {
      let gone = Set(goneGroups(layer).map(\.unit)), without = Set(goneChannels(layer).map(\.unit))
      kept.layers[index].groups.removeAll { gone.contains($0) }
      kept.layers[index].channels.removeAll { without.contains($0) }
    }
    return kept
  }

  /// The channels of a layer that go.
  func goneChannels(_ layer: Int) -> [Removal] { Array((importances[layer]?.channels ?? []).prefix(channels[layer] ?? 0)) }
  /// Its heads of keys and values that go.
  func goneGroups(_ layer: Int) -> [Removal] { Array((importances[layer]?.groups ?? []).prefix(groups[layer] ?? 0)) }
}

/// Chooses among channels, heads, layers and tokens, by the loss of each parameter, until few enough are left.
struct PruningTarget {
  /// What goes of the layers that stay.
  private(set) var balance: PruningBalance
  /// How many of the layers of the search go.
  private(set) var layersGone = 0
  /// Tokens that are left; nil where all are.
  private(set) var tokens: Int?
  /// Parameters that are left.
  private(set) var parameters: Int
  /// What has gone is expected to cost, in nats for each token.
  private(set) var nats = 0.0

  private let spec: ModelSpec
  private let steps: [LayerSearch.Step]
  private let vocabulary: VocabularyPlan?

  /// Tokens that are weighed together.
  private static let chunk = 64

  /// The most channels of an MLP that go: three in four.
  static func mostChannels(_ size: Int) -> Int { min(size - 1, Int((0.75 * Double(size)).rounded(.up))) }

  /// - Parameters:
  ///   - steps: layers in the order in which they would go.
  ///   - vocabulary: nil where nothing tells which tokens are not needed.
  init(
    _ spec: ModelSpec, parameters: Int, _ importances: [Int: LayerImportance], steps: [LayerSearch.Step],
    vocabulary: VocabularyPlan?
  ) {
    self.spec = spec
    self.parameters = parameters
    self.steps = steps
    self.vocabulary = vocabulary
    balance = PruningBalance(importances, layers: Array(spec.layers.indices))
  }

  /// Something that can go next.
  private struct Move {
    var nats: Double
    var parameters: Int
    var make: (inout PruningTarget) -> Void
    /// Nats for a parameter.
    var price: Double { nats / Double(max(1, parameters)) }
  }

  /// Takes the cheapest parts until at most `goal` parameters are left.
  ///
  /// - Throws: `usage` when not enough can go.
  mutating func reach(_ goal: Int, file: String) throws(LMToolError) {
    while parameters > goal {
      guard let best = cheapest else { throw Self.tooSmall(goal, least: parameters, file: file) }
      take(best)
    }
  }

  /// Takes the cheapest parts as long as they cost no more than `price` nats for a parameter.
  mutating func take(price: Double) { while let best = cheapest, best.price <= price { take(best) } }

  private var cheapest: Move? {
    let moves =
      [nextLayer, nextTokens].compactMap { $0 } + balance.layers.flatMap { [nextChannel($0), nextGroup($0)].compactMap { $0 } }
    return moves.min { $0.price < $1.price }
  }

  /// A target that is below what is left when all goes that may (PRUNE-9).
  static func tooSmall(_ goal: Int, least: Int, file: String) -> LMToolError {
    LMToolError(
      .usage, "the target of \(goal) parameters is too small: of this model at least \(least) are left", file: file,
      rule: "PRUNE-9")
  }

  /// The parameters that are left when all goes that may: so many layers, all tokens that may, and in the other layers all channels and
  /// all heads that may. Known before anything is weighed; which layers are missed least is not, so these are the largest.
  func least(layers: Int) -> Int {
    let shrunk = spec.layers.indices.map { layer in
      Self.mostChannels(spec.layers[layer].mlp.up.outputs) * spec.channelSize(layer: layer)
        + (spec.layers[layer].attention.keyValueHeads - 1) * spec.groupSize(layer: layer)
    }
    let gone = spec.layers.indices.map { wholeSize($0) - shrunk[$0] }.sorted(by: >).prefix(layers)
    let tokens = vocabulary.map { ($0.count - $0.leastCount) * tokenSize } ?? 0
    return parameters - (shrunk + gone).reduce(tokens, +)
  }

  private func wholeSize(_ layer: Int) -> Int { spec.layers[layer].tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }

  private var tokenSize: Int { spec.embedding.shape[1] * (spec.isTied ? 1 : 2) }

  private mutating func take(_ move: Move) {
    move.make(&self)
    parameters -= move.parameters
    nats += move.nats
  }

  private func nextChannel(_ layer: Int) -> Move? {
    let done = balance.channels[layer] ?? 0, all = balance.importances[layer]?.channels ?? []
    guard done < all.count else { return nil }
    return Move(nats: all[done].nats, parameters: spec.channelSize(layer: layer)) { $0.balance.channels[layer] = done + 1 }
  }

  private func nextGroup(_ layer: Int) -> Move? {
    let done = balance.groups[layer] ?? 0, all = balance.importances[layer]?.groups ?? []
    guard done < all.count else { return nil }
    return Move(nats: all[done].nats, parameters: spec.groupSize(layer: layer)) { $0.balance.groups[layer] = done + 1 }
  }

  private var nextLayer: Move? {
    guard layersGone < steps.count else { return nil }
    let step = steps[layersGone], before = layersGone > 0 ? steps[layersGone - 1].divergence : 0, layer = step.layer
    let parts = (balance.channels[layer] ?? 0) * spec.channelSize(layer: layer)
    let left = wholeSize(layer) - parts - (balance.groups[layer] ?? 0) * spec.groupSize(layer: layer)
    return Move(nats: max(0, step.divergence - before), parameters: left) {
      $0.layersGone += 1
      $0.balance.layers.removeAll { $0 == layer }
    }
  }

  private var nextTokens: Move? {
    guard let vocabulary else { return nil }
    let now = tokens ?? vocabulary.count, next = max(vocabulary.leastCount, now - Self.chunk)
    guard next < now else { return nil }
    let nats = vocabulary.estimate(size: next).nats - vocabulary.estimate(size: now).nats
    return Move(nats: nats, parameters: (now - next) * tokenSize) { $0.tokens = next }
  }
}

extension ModelSpec {
  /// Parameters that a channel of the MLP of a layer has.
  func channelSize(layer: Int) -> Int {
    layers[layer].mlp.inputs.reduce(width) { $0 + width + ($1.bias == nil ? 0 : 1) }
  }

  /// Parameters that a head of keys and values of a layer has, with the query heads that share it.
  func groupSize(layer: Int) -> Int {
    let attention = layers[layer].attention, shared = attention.heads / attention.keyValueHeads
    let rows = [(attention.query, shared), (attention.key, 1), (attention.value, 1)]
    return attention.headSize * rows.reduce(shared * width) { $0 + $1.1 * (width + ($1.0.bias == nil ? 0 : 1)) }
  }
}
