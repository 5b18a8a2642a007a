import Models
import Tensors

/// What is pruned of a model, and how.
public struct PruningOptions: Sendable, Equatable {
  /// Which layers go.
  public enum Layers: Sendable, Equatable {
    /// So many, those that are missed least.
    case count(Int)
    /// These.
    case list([Int])
  }

  /// How small a model becomes.
  public enum Target: Sendable, Equatable {
    /// At most so many parameters.
    case parameters(Int)
    /// Weights of at most so many bytes.
    case bytes(Int)
  }

  /// Which tokens stay.
  public enum VocabularyOrder: String, Sendable, CaseIterable {
    /// Those whose loss on the text is largest for their bytes.
    case loss
    /// Those that come first in the vocabulary, to compare with: tokenizers number tokens as they learned them, the frequent ones first.
    case rank
  }

  /// Layers that go.
  public var layers: Layers?
  /// The fraction of the channels of all MLPs that goes.
  public var mlp: Double?
  /// The fraction of the heads of keys and values of all layers that goes, with the query heads that share them.
  public var heads: Double?
  /// Tokens that are left.
  public var vocabulary: Int?
  /// How they are chosen.
  public var vocabularyOrder = VocabularyOrder.loss
  /// Channels of the residual stream that are left.
  public var width: Int?
  /// Weights that become zero.
  public var sparsity: Sparsity?
  /// The size that is aimed at, by whatever costs least.
  public var target: Target?
  /// How channels and heads are ranked.
  public var importance = PruningImportance.loss
  /// Whether all layers keep as many channels and heads.
  public var isUniform = false
  /// Whether the matrices behind channels and heads that go make up for them.
  public var compensates = true
  /// The seed of what is random.
  public var seed: UInt64 = 0

  /// Nothing yet.
  public init() {}

  /// Whether channels or heads go.
  var isStructural: Bool { mlp != nil || heads != nil || target != nil }
  /// Whether layers are to be compared.
  var searchesLayers: Bool {
    guard case .count = layers else { return target != nil }
    return true
  }

  /// Whether every layer gives as much; what is chosen by chance has no costs to compare.
  var takesEqually: Bool { isUniform || importance == .random }

  /// Refuses what is not possible, before any work (PRUNE-9).
  ///
  /// - Throws: `usage`.
  public func validate(for source: ModelSource) throws(LMToolError) {
    func require(_ holds: Bool, _ message: String) throws(LMToolError) {
      if !holds { throw LMToolError(.usage, message, file: source.path, rule: "PRUNE-9") }
    }
    let spec = source.spec, others: [Any?] = [layers, mlp, heads, vocabulary, width]
    let asked = others.contains { $0 != nil }
    try require(
      asked || sparsity != nil || target != nil,
      "say what to prune: --layers, --mlp, --heads, --vocab, --width, --sparsity, --pattern, --target-params or --target-bytes")
    try require(target == nil || !asked && sparsity == nil, "a target chooses by itself what to prune; give it alone")
    try require(
      !Quantizing.isQuantized(source), "the model is quantized already; prune the float original and quantize the result")
    try validateLayers(spec.layers.count, require)
    for (name, fraction) in [("--mlp", mlp), ("--heads", heads)] {
      try require(
        fraction.map { $0 > 0 && $0 < 1 } ?? true, "\(name) must be a fraction above 0 and below 1; all of it cannot go")
    }
    if let heads {
      let groups = spec.layers.reduce(0) { $0 + $1.attention.keyValueHeads }, least = spec.layers.count
      let gone = Int((heads * Double(groups)).rounded())
      try require(
        gone >= 1 && groups - gone >= least,
        "--heads \(heads) means \(gone) of \(groups) heads of keys and values; at least 1 must go, and each of the \(least) layers keeps 1"
      )
      let most = spec.layers.map(\.attention.keyValueHeads).max() ?? 1
      try require(
        !takesEqually || Int((heads * Double(most)).rounded()) >= 1,
        "--heads \(heads) of each layer by itself is none of its \(most) heads of keys and values; "
          + "from \(Double(Int((50 / Double(most)).rounded(.up))) / 100) on it is one")
    }
    try require(
      width.map { (2..<spec.width).contains($0) } ?? true, "--width must be from 2 to \(spec.width - 1), less than what there is")
    try require(
      vocabulary.map { $0 < spec.vocabularySize } ?? true,
      "the vocabulary has \(spec.vocabularySize) tokens; --vocab must be fewer")
    let matrices = spec.layers.enumerated().flatMap { MatrixGroup.groups(of: $1, layer: $0) }.flatMap { $0.linears.map(\.weight) }
    try sparsity?.check(matrices, file: source.path)
  }

  private func validateLayers(
    _ count: Int, _ require: (Bool, String) throws(LMToolError) -> Void
  ) throws(LMToolError) {
    switch layers {
    case nil: break
    case .count(let number):
      try require((1..<count).contains(number), "--layers \(number): of \(count) layers, 1 to \(count - 1) can go")
    case .list(let list):
      if let bad = list.first(where: { !(0..<count).contains($0) }) {
        try require(false, "there is no layer \(bad); the model has layers 0 to \(count - 1)")
      }
      try require(!list.isEmpty && Set(list).count < count, "all \(count) layers cannot go")
    }
  }

  /// The most parameters that are left by a target.
  func parameters(dtype: DType) -> Int? {
    switch target {
    case nil: nil
    case .parameters(let count): count
    case .bytes(let bytes): bytes / dtype.size
    }
  }
}
