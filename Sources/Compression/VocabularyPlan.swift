import Models
import Tensors
import Tokenizers

/// Which tokens of a model to give up for how many bytes: decided once, asked for any size.
///
/// The loss of a token is its share of other texts (`TokenUse`) times what a split costs. What it costs differs little from
/// token to token, and what little a model says of it beforehand makes the choice no better: two thirds of it is that the model never saw
/// the second piece after the first.
public struct VocabularyPlan: Sendable {
  /// What a split costs SmolLM2-135M, in nats of KL: 9.5 to 11.3 on texts of two kinds, from 40,000 to 16,000 tokens.
  public static let usualNatsPerSplit = 10.0

  /// How a model is trimmed.
  public let trimming: VocabularyTrimming
  /// Tokens of the whole vocabulary.
  public let count: Int
  /// The smallest vocabulary that leaves the model whole.
  public let leastCount: Int
  private let order: TrimmingOrder
  /// Nats for each token of text, and bytes, after so many tokens of `order` are gone.
  private let totals: [(nats: Double, bytes: Double)]

  /// - Parameters:
  ///   - shares: the share of each token among those of a text.
  ///   - natsPerSplit: KL for each token of a text that is split.
  ///   - bitsPerWeight: what a weight of the embedding, and of the head if there is one, takes in the file.
  ///   - tokenizerBytes: what a token takes in the stored tokenizer.
  public init(
    _ trimming: VocabularyTrimming, shares: [Double], natsPerSplit: Double = usualNatsPerSplit, bitsPerWeight: Double,
    tokenizerBytes: Double = 5
  ) {
    self.trimming = trimming
    let spec = trimming.source.spec, isFixed = trimming.closure(of: [])
    count = isFixed.count
    leastCount = isFixed.count { $0 }
    let loss = isFixed.indices.map { $0 < shares.count ? shares[$0] * natsPerSplit : 0 }
    let row = Double(spec.width * (spec.isTied ? 1 : 2)) * bitsPerWeight / 8 + tokenizerBytes
    order = TrimmingOrder(
      trimming.parents, isFixed: isFixed, loss: loss, bytes: Array(repeating: row, count: isFixed.count))
    var totals = [(nats: 0.0, bytes: 0.0)]
    for token in order.tokens {
      let last = totals[totals.count - 1]
      totals.append((last.nats + loss[Int(token)], last.bytes + row))
    }
    self.totals = totals
  }

  /// The tokens to keep for a vocabulary of `size` tokens.
  ///
  /// - Throws: `usage` when the model needs more, or has not so many.
  public func tokens(size: Int) throws(LMToolError) -> [Int32] {
    guard size >= leastCount, size <= count else {
      throw LMToolError(
        .usage,
        "a vocabulary of \(size) tokens is not possible; special tokens, bytes and what they are merged from make \(leastCount), "
          + "and there are \(count)", file: trimming.source.path)
    }
    var isKept = [Bool](repeating: true, count: count)
    for token in order.tokens.prefix(count - size) { isKept[Int(token)] = false }
    return isKept.indices.filter { isKept[$0] }.map { Int32($0) }
  }

  /// The size of the vocabulary whose tokens are all worth their bytes.
  ///
  /// - Parameter price: what a byte is worth elsewhere, in nats for each token of text.
  public func size(price: Double) -> Int { count - order.prices.prefix { $0 <= price }.count }

  /// The loss that is expected of a vocabulary of `size` tokens, in nats for each token of text, and the bytes that it saves.
  public func estimate(size: Int) -> (nats: Double, bytes: Double) { totals[min(max(0, count - size), totals.count - 1)] }
}
