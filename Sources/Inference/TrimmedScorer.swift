import Kernels
import Models
import Tensors
import Tokenizers

/// How far a model with a trimmed vocabulary is from the original, token of the original by token.
///
/// The original reads the text in its tokens, the trimmed model the same tokens split into pieces. Every token is compared
/// as `InducedDistribution` says.
struct TrimmedScorer {
  /// What one token contributes.
  struct Score {
    /// KL(other ‖ model) in nats, all pieces together.
    var divergence = 0.0
    /// Negative log-likelihood under the other model.
    var otherLoss = 0.0
    /// Whether both find the same piece most likely at every piece.
    var agrees = true
  }

  /// The tokens compared so far.
  private(set) var scores: [Score] = []
  private let model: Session
  private let other: Session
  private let induced: InducedDistribution

  /// - Parameters:
  ///   - pieces: the most pieces of a window.
  ///   - tokens: the most tokens of a window.
  init(_ model: Transformer, pieces: Int, against other: Transformer, tokens: Int, splits: TokenSplits) {
    self.model = Session(model, capacity: pieces)
    self.other = Session(other, capacity: tokens)
    induced = InducedDistribution(splits, rows: other.spec.vocabularySize)
  }

  /// A piece that the model reads, and what it predicts after it: the piece `depth` of `token`, which the other model predicts in
  /// its row `otherRow`. Nil where the token is not scored.
  private struct Step {
    var input: Int32
    var prediction: Prediction?
  }

  private struct Prediction {
    var token: Int32
    var depth: Int
    var otherRow: Int
    /// Its place in `scores`.
    var index: Int
  }

  /// Compares the tokens of a window from index `scoredFrom` on.
  mutating func add(_ tokens: [Int32], bos: Int32?, scoredFrom: Int) throws(LMToolError) {
    model.truncate(to: 0)
    other.truncate(to: 0)
    let input = (bos.map { [$0] } ?? []) + tokens, shift = bos == nil ? 1 : 0
    try model.forward(induced.splits[input[0]].dropLast(), logits: .none)
    for start in stride(from: 0, to: input.count, by: Evaluation.chunk) {
      let part = input[start..<min(start + Evaluation.chunk, input.count)]
      let theirs = try other.forward(part, logits: .all)
      var steps: [Step] = []
      for index in part.indices where index + shift < tokens.count {
        let target = index + shift
        addSteps(after: input[index], token: tokens[target], otherRow: index - start, isScored: target >= scoredFrom, to: &steps)
      }
      try run(steps, theirs.buffer)
      withExtendedLifetime(theirs) {}
    }
  }

  /// The steps that predict the pieces of `token`: after the last piece of the token before it, and after all of its own but
  /// the last.
  private mutating func addSteps(
    after previous: Int32, token: Int32, otherRow: Int, isScored: Bool, to steps: inout [Step]
  ) {
    if isScored { scores.append(Score()) }
    let inputs = induced.splits[previous].suffix(1) + induced.splits[token].dropLast()
    for (depth, input) in inputs.enumerated() {
      let prediction = Prediction(token: token, depth: depth, otherRow: otherRow, index: scores.count - 1)
      steps.append(Step(input: input, prediction: isScored ? prediction : nil))
    }
  }

  private mutating func run(_ steps: [Step], _ theirs: UnsafeBufferPointer<Float>) throws(LMToolError) {
    for start in stride(from: 0, to: steps.count, by: Evaluation.chunk) {
      let part = steps[start..<min(start + Evaluation.chunk, steps.count)]
      let mine = try model.forward(part.map(\.input), logits: .all)
      let scored = part.indices.compactMap { index in part[index].prediction.map { (row: index - start, prediction: $0) } }
      for (score, place) in zip(compare(scored, mine.buffer, theirs), scored) {
        let index = place.prediction.index
        scores[index].divergence += score.divergence
        scores[index].otherLoss += score.otherLoss
        scores[index].agrees = scores[index].agrees && score.agrees
      }
      withExtendedLifetime(mine) {}
    }
  }

  /// What each piece contributes, in parallel.
  private func compare(
    _ places: [(row: Int, prediction: Prediction)], _ mine: UnsafeBufferPointer<Float>, _ theirs: UnsafeBufferPointer<Float>
  ) -> [Score] {
    let (count, rows) = (model.model.spec.vocabularySize, other.model.spec.vocabularySize)
    var scores = [Score](repeating: Score(), count: places.count)
    guard let mine = mine.baseAddress, let theirs = theirs.baseAddress else { return scores }
    scores.withUnsafeMutableBufferPointer { scores in
      nonisolated(unsafe) let (scores, mine, theirs) = (scores, mine, theirs)
      ThreadPool.shared.forEach(places.count) { index in
        let (row, prediction) = places[index]
        scores[index] = score(prediction, mine + row * count, theirs + prediction.otherRow * rows)
      }
    }
    return scores
  }

  private func score(_ prediction: Prediction, _ mine: UnsafePointer<Float>, _ theirs: UnsafePointer<Float>) -> Score {
    let (count, rows) = (model.model.spec.vocabularySize, other.model.spec.vocabularySize)
    let sum = logSumExp(mine, count: count)
    guard prediction.depth == 0 else {
      let (nats, agrees) = induced.divergence(
        inside: prediction.token, depth: prediction.depth, theirs, from: mine, count: count, logSum: sum)
      return Score(divergence: nats, otherLoss: 0, agrees: agrees)
    }
    let pieces = induced.firstPieces(theirs, count: count)
    let nats = divergence(of: pieces, from: mine, count: count, logSums: (logSumExp(pieces, count: count), sum))
    let loss = logSumExp(theirs, count: rows) - Double(theirs[Int(prediction.token)])
    return Score(divergence: max(0, nats), otherLoss: loss, agrees: argmax(pieces, count: count) == argmax(mine, count: count))
  }
}
