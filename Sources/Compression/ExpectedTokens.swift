import Inference
import Kernels
import Models
import Tensors

/// How often a model expects each of its tokens in a text: also those that did not come up, where they might have.
public struct ExpectedTokens: Sendable {
  /// The mean probability of each token.
  public private(set) var shares: [Double]

  /// Runs `model` over stretches of `tokens`, evenly spread.
  ///
  /// - Parameters:
  ///   - window: tokens of a stretch, or as many as the model has positions for; each is read from nothing.
  ///   - windows: the most stretches.
  /// - Throws: `badInput` when there are fewer tokens than a stretch has.
  public init(
    _ model: Transformer, tokens: [Int32], window: Int = 256, windows: Int = 32, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    let window = min(window, model.spec.positionLimit ?? window), count = min(windows, tokens.count / window)
    guard count > 0 else {
      throw LMToolError(.badInput, "the text has \(tokens.count) tokens; at least \(window) are needed to see what is expected")
    }
    shares = Array(repeating: 0, count: model.spec.vocabularySize)
    let session = Session(model, capacity: window)
    for index in 0..<count {
      let start = (tokens.count - window) / max(1, count - 1) * index, end = start + window
      session.truncate(to: 0)
      for part in stride(from: start, to: end, by: Evaluation.chunk) {
        let logits = try session.forward(tokens[part..<min(part + Evaluation.chunk, end)], logits: .all)
        logits.withUnsafeBufferPointer { add($0) }
      }
      progress?(ProgressUpdate(stage: "vocabulary", done: (index + 1) * window, total: count * window, unit: .tokens))
    }
    shares = shares.map { $0 / Double(count * window) }
  }

  /// Adds the probabilities of positions, [positions][tokens]. A thread has a slice of the tokens, so that positions are
  /// added in one order.
  private mutating func add(_ logits: UnsafeBufferPointer<Float>) {
    let rows = shares.count, count = logits.count / rows, slice = 1024
    guard let base = logits.baseAddress else { return }
    var sums = [Float](repeating: 0, count: count)
    shares.withUnsafeMutableBufferPointer { shares in
      sums.withUnsafeMutableBufferPointer { sums in
        nonisolated(unsafe) let (shares, sums, base) = (shares, sums, base)
        ThreadPool.shared.forEach(count) { sums[$0] = Float(logSumExp(base + $0 * rows, count: rows)) }
        ThreadPool.shared.forEach((rows + slice - 1) / slice) { part in
          for position in 0..<count {
            let row = base + position * rows
            for token in part * slice..<min(rows, (part + 1) * slice) {
              shares[token] += Double(exponential(row[token] - sums[position]))
            }
          }
        }
      }
    }
  }
}
