import Kernels
import Tensors
import Tokenizers

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What a distribution over the tokens of a vocabulary says of the pieces of a smaller one.
///
/// A token is a sequence of pieces (`TokenSplits`). Its first piece is distributed as the sum over all tokens that start with
/// it; inside a split token, the next piece as the sum over the tokens that start with the pieces so far and go on. So the
/// divergence of a token is that of its pieces, added up along the token that the text has. Rows that are no token of the tokenizer,
/// and tokens that no text becomes, count as impossible.
package struct InducedDistribution: Sendable {
  /// What the smaller vocabulary makes of each token.
  package let splits: TokenSplits
  /// Tokens by the pieces they start with: those that have more pieces than that.
  private let continuations: [[Int32]: [Int32]]
  /// The tokens, split ones, whose first piece is each piece; only pieces that have any.
  private let starts: [(piece: Int32, tokens: [Int32])]
  /// Rows of the larger model.
  private let rows: Int

  /// - Parameter rows: logits of the larger model, which may have more rows than its tokenizer has tokens, or fewer.
  package init(_ splits: TokenSplits, rows: Int) {
    self.splits = splits
    self.rows = rows
    var starts: [Int32: [Int32]] = [:], continuations: [[Int32]: [Int32]] = [:]
    for token in splits.split where token < rows {
      let pieces = splits[token]
      if let first = pieces.first { starts[first, default: []].append(token) }
      for length in pieces.indices.dropFirst() { continuations[Array(pieces[..<length]), default: []].append(token) }
    }
    self.starts = starts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    self.continuations = continuations
  }

  /// The logits of the first piece that the logits of tokens stand for.
  ///
  /// - Parameter count: rows of the smaller model; those without a token get a logit that counts for nothing.
  package func firstPieces(_ logits: UnsafePointer<Float>, count: Int) -> [Float] {
    let most = logits[argmax(logits, count: rows)]
    var result = (0..<count).map { piece in
      let old = piece < splits.oldIDs.count ? splits.oldIDs[piece] : -1
      return old >= 0 && old < rows ? logits[Int(old)] : Self.impossible
    }
    for (piece, tokens) in starts {
      let split = tokens.reduce(Float(0)) { $0 + exponential(logits[Int($1)] - most) }
      result[Int(piece)] = most + logf(exponential(result[Int(piece)] - most) + split)
    }
    return result
  }

  /// Low enough for a probability of zero, far enough from overflow.
  private static let impossible: Float = -1000

  /// How far `mine`, logits of pieces, is from the distribution of the piece that follows the first `depth` ones of `token`.
  ///
  /// - Parameters:
  ///   - logits: of the larger model, for the token.
  ///   - logSum: the `logSumExp` of `mine`.
  /// - Returns: KL in nats, and whether both find the same piece most likely.
  func divergence(
    inside token: Int32, depth: Int, _ logits: UnsafePointer<Float>, from mine: UnsafePointer<Float>, count: Int, logSum: Double
  ) -> (nats: Double, agrees: Bool) {
    let pieces = splits[token]
    let candidates = continuations[Array(pieces.prefix(depth))] ?? []
    let most = candidates.reduce(-Float.infinity) { max($0, logits[Int($1)]) }
    var weights: [Int32: Double] = [:]
    for candidate in candidates {
      let next = splits[candidate].dropFirst(depth).first ?? 0
      weights[next, default: 0] += Double(exponential(logits[Int(candidate)] - most))
    }
    let total = weights.values.reduce(0, +)
    var nats = 0.0, best: (piece: Int32, weight: Double) = (-1, 0)
    for (piece, weight) in weights.sorted(by: { $0.key < $1.key }) {
      let probability = weight / total
      if probability > 0 { nats += probability * (log(probability) - (Double(mine[Int(piece)]) - logSum)) }
      if weight > best.weight { best = (piece, weight) }
    }
    return (max(0, nats), Int(best.piece) == argmax(mine, count: count))
  }
}
