import Inference
import Kernels
import Models
import Tensors
import Tokenizers

/// Runs texts through a model, each from nothing.
struct TextScoring {
  private let model: Transformer
  private let bos: [Int32]

  /// Tokens that are run together.
  private static let chunk = 64

  /// A model whose texts begin with BOS where `tokenizer` says so.
  init(_ model: Transformer, _ tokenizer: Tokenizer) {
    self.model = model
    bos = tokenizer.definition.addsBOS ? tokenizer.definition.bos.map { [$0] } ?? [] : []
  }

  /// Whether there is something before the first token, so that it can be scored too.
  var scoresFirst: Bool { !bos.isEmpty }

  /// What is expected at a token.
  struct Expectation {
    /// The index of the token among those that were given.
    var index: Int
    /// Logits of all tokens of the vocabulary.
    var logits: UnsafePointer<Float>
    /// The logarithm of the sum of their exponentials.
    var logSum: Double
    /// The largest of them.
    var highest: Float
  }

  /// Calls `body`, on several threads, for every token from `start` on.
  ///
  /// - Parameter isWhole: whether the tokens begin with all that should stand before them, so that no BOS is added.
  /// - Throws: `usage` when a token is not in the vocabulary, or there are more than the model has positions for; `badInput` when
  ///   logits are not finite.
  func forEachToken(
    _ tokens: [Int32], from start: Int, isWhole: Bool = false, _ body: (Expectation) -> Void
  ) throws(LMToolError) {
    let front = isWhole ? [] : bos, input = front + tokens, vocabulary = model.spec.vocabularySize
    let session = Session(model, capacity: input.count)
    for first in stride(from: 0, to: input.count, by: Self.chunk) {
      let part = input[first..<min(first + Self.chunk, input.count)]
      let logits = try session.forward(part, logits: .all)
      try logits.withUnsafeBufferPointer { (all) throws(LMToolError) in
        guard let base = all.baseAddress else { return }
        nonisolated(unsafe) let (rows, body) = (base, body)
        try ThreadPool.shared.forEach(part.count) { (row) throws(LMToolError) in
          let index = first + row + 1 - front.count
          guard index >= start, index < tokens.count else { return }
          let logits = rows + row * vocabulary, logSum = logSumExp(logits, count: vocabulary)
          let highest = logits[argmax(logits, count: vocabulary)]
          guard logSum.isFinite, highest.isFinite else {
            throw LMToolError(.badInput, "what the model expects at token \(index) is no number; its weights are broken")
          }
          body(Expectation(index: index, logits: logits, logSum: logSum, highest: highest))
        }
      }
    }
  }

  /// Negative log-likelihood of the tokens from `start` on, in nats.
  func nats(_ tokens: [Int32], from start: Int, isWhole: Bool = false) throws(LMToolError) -> Double {
    var losses = [Double](repeating: 0, count: tokens.count)
    try losses.withUnsafeMutableBufferPointer { (losses) throws(LMToolError) in
      nonisolated(unsafe) let losses = losses
      try forEachToken(tokens, from: start, isWhole: isWhole) {
        losses[$0.index] = $0.logSum - Double($0.logits[Int(tokens[$0.index])])
      }
    }
    return losses.reduce(0, +)
  }
}
