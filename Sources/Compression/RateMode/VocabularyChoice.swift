import Inference
import Models
import Quantization
import Tensors
import Tokenizers

/// How many tokens of the vocabulary a compression keeps.
public enum VocabularyGoal: Sendable, Equatable {
  /// As many as are worth their bytes.
  case automatic
  /// All of them.
  case whole
  /// So many.
  case tokens(Int)
}

/// What a vocabulary is trimmed to before a model is compressed, and why.
struct VocabularyChoice {
  /// The model, trimmed or as it was.
  let source: ModelSource
  /// The reason, in a sentence.
  let reason: String

  /// What a token costs that is given up must be outweighed by so much: texts other than the calibration's split more tokens.
  private static let caution = 1.5
  /// What is not worth a model with another vocabulary: a smaller part of the loss.
  private static let leastGain = 0.03

  /// Keeps everything, for a reason.
  init(whole source: ModelSource, because reason: String) {
    self.source = source
    self.reason = reason
  }

  /// Weighs every token's bytes against the loss of being without it.
  ///
  /// - Parameter tokens: of the calibration text.
  /// - Throws: `usage` for a size that is not possible.
  init(
    _ source: ModelSource, _ goal: VocabularyGoal, budget: Int, tokens: [Int32], progress: ProgressConsumer?
  ) throws(LMToolError) {
    let price = RatePrice(source, budget: budget)
    let trimming = try VocabularyTrimming(source)
    var use = TokenUse(size: source.spec.vocabularySize)
    use.add(tokens)
    let expected =
      tokens.count < 256
      ? nil : try ExpectedTokens(try Transformer(source), tokens: tokens, windows: 16, progress: progress).shares
    let plan = VocabularyPlan(trimming, shares: use.shares(expected: expected), bitsPerWeight: min(price.bits, 8))
    var size = plan.count
    switch goal {
    case .whole: break
    case .tokens(let wanted): size = wanted
    case .automatic: size = max(plan.leastCount, plan.size(price: price.byte / Self.caution))
    }
    let (nats, bytes) = plan.estimate(size: size), gain = bytes * price.byte - Self.caution * nats
    if case .automatic = goal, gain < Self.leastGain * price.loss {
      self.source = source
      reason =
        size == plan.count
        ? "kept whole: no token is worth less than its bytes"
        : "kept whole: giving up \(plan.count - size) tokens would free \(Int(bytes)) bytes, worth \(RatePrice.text(bytes * price.byte)) nats "
          + "elsewhere, and cost about \(RatePrice.text(nats))"
      return
    }
    guard size < plan.count else {
      self.source = source
      reason = "kept whole, as asked"
      return
    }
    self.source = try trimming.trimmed(keeping: try plan.tokens(size: size))
    reason =
      "\(plan.count - size) tokens given up: about \(Int(bytes)) bytes, worth \(RatePrice.text(bytes * price.byte)) nats elsewhere, for a "
      + "loss of about \(RatePrice.text(nats))"
  }
}
