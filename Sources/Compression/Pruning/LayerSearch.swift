import Inference
import Kernels
import Models
import Tensors

/// Looks for the layers that a model misses least, by what it says without them: KL from the original at the end.
///
/// All copies of the residual stream, each without one layer more, pass a layer before any sees the next: a layer is read once a round.
final class LayerSearch {
  /// What a layer is worth.
  struct Worth: Sendable {
    /// 1 - cos between the stream before the layer and after it, the mean over tokens (block influence; Men et al., "ShortGPT", 2024).
    var influence: Double
    /// KL from the original without this layer alone, in nats for each token.
    var divergence: Double
  }

  /// A layer that was given up.
  struct Step: Sendable {
    var layer: Int
    /// KL from the original without this layer and those before.
    var divergence: Double
  }

  /// What each layer is worth.
  private(set) var worths: [Worth] = []
  private let source: ModelSource
  private let windows: TokenWindows
  private let start: [Float]
  private let logits: LogitsOfResiduals
  /// The stream of the original behind the last layer.
  private var original: [Float] = []

  /// Windows that are looked at, and tokens of each.
  private static let windows = 4, tokens = 192
  /// The fewest candidates of a round after the first.
  private static let leastCandidates = 8

  /// A search over some windows of a text.
  init(_ source: ModelSource, _ windows: TokenWindows) throws(LMToolError) {
    self.source = source
    self.windows = windows.sample(Self.windows, length: Self.tokens)
    let embedding = try LayerMatrices.floats(source.spec.embedding, of: source)
    var rows = [Float](repeating: 0, count: self.windows.tokens.count * source.spec.width)
    try EmbeddingRunner(source).run(self.windows.tokens, table: embedding, window: self.windows.length, into: &rows)
    start = rows
    logits = LogitsOfResiduals(source.spec, head: try HeadRunner(source, embedding: embedding))
  }

  /// Gives up `count` layers, one a round: in each the one that costs least with those before it gone.
  ///
  /// - Parameter isWorth: given the next step and what it adds to the KL, whether to take it; the search ends with the first that is refused.
  /// - Throws: `badInput` when the loss is not a finite number (PRUNE-8).
  func search(
    _ count: Int, progress: ProgressConsumer?, isWorth: (_ step: Step, _ nats: Double) -> Bool = { _, _ in true }
  ) throws(LMToolError) -> [Step] {
    let layers = source.spec.layers.count
    var gone: Set<Int> = [], steps: [Step] = []
    for round in 0..<max(1, count) {
      let others = (0..<layers).filter { !gone.contains($0) }
      let ranked = worths.isEmpty ? others : others.sorted { (worths[$0].divergence, $0) < (worths[$1].divergence, $1) }
      let candidates = worths.isEmpty ? others : Array(ranked.prefix(max(Self.leastCandidates, 2 * (count - round))))
      let divergences = try divergences(without: gone, and: candidates.sorted())
      if round == 0 {
        for layer in worths.indices { worths[layer].divergence = divergences[layer] ?? 0 }
      }
      guard round < count else { break }
      guard let best = divergences.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }) else { break }
      let step = Step(layer: best.key, divergence: best.value)
      guard isWorth(step, step.divergence - (steps.last?.divergence ?? 0)) else { break }
      gone.insert(best.key)
      steps.append(step)
      progress?(ProgressUpdate(stage: "layers to remove", done: round + 1, total: max(1, count), unit: .passes))
    }
    return steps
  }

  /// KL from the original, for each candidate, of the model without it and those that are gone.
  private func divergences(without gone: Set<Int>, and candidates: [Int]) throws(LMToolError) -> [Int: Double] {
    var base = start, copies: [(layer: Int, residual: [Float])] = []
    let isFirst = worths.isEmpty
    for (index, spec) in source.spec.layers.enumerated() where !gone.contains(index) {
      let layer = DisturbedLayer(try LayerMatrices(spec, of: source), windows: windows)
      for at in copies.indices { layer.run(&copies[at].residual, disturbing: nil, variance: 0, seed: 0) }
      if candidates.contains(index) { copies.append((index, base)) }
      let before = isFirst ? base : []
      layer.run(&base, disturbing: nil, variance: 0, seed: 0)
      if isFirst { worths.append(Worth(influence: influence(before, base), divergence: 0)) }
    }
    if isFirst { original = base }
    var result: [Int: Double] = [:]
    let tokens = windows.tokens.count, batch = 64
    for start in stride(from: 0, to: tokens, by: batch) {
      let rows = start..<min(start + batch, tokens)
      let reference = logits.compute(original, rows: rows)
      for copy in copies {
        result[copy.layer, default: 0] += reference.divergence(from: logits.compute(copy.residual, rows: rows))
      }
    }
    for (layer, sum) in result {
      guard sum.isFinite else {
        throw LMToolError(
          .badInput, "the loss without layer \(layer) is not a finite number; the model is broken", file: source.path,
          rule: "PRUNE-8")
      }
      result[layer] = sum / Double(max(1, tokens))
    }
    return result
  }

  private func influence(_ before: [Float], _ after: [Float]) -> Double {
    let width = source.spec.width, tokens = before.count / max(1, width)
    var total = 0.0
    for token in 0..<tokens {
      var product = 0.0, squares = (0.0, 0.0)
      for index in token * width..<(token + 1) * width {
        let x = Double(before[index]), y = Double(after[index])
        product += x * y
        squares.0 += x * x
        squares.1 += y * y
      }
      total += 1 - product / max((squares.0 * squares.1).squareRoot(), 1e-300)
    }
    return total / Double(max(1, tokens))
  }
}
