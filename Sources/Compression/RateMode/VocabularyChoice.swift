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
  /// Nats of KL that SmolLM2-135M loses at 2.38 bits a weight, and the factor by which a bit less multiplies them.
  private static let usualLoss = (nats: 0.25, bits: 2.38, factor: 3.4)
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
    let bits = Double(8 * budget) / Double(max(1, source.parameterCount))
    let trimming = try VocabularyTrimming(source)
    var use = TokenUse(size: source.spec.vocabularySize)
    use.add(tokens)
    let expected =
      tokens.count < 256
      ? nil : try ExpectedTokens(try Transformer(source), tokens: tokens, windows: 16, progress: progress).shares
    let plan = VocabularyPlan(trimming, shares: use.shares(expected: expected), bitsPerWeight: min(bits, 8))
    let loss =
      Self.usualLoss.nats
      * BinaryLogarithm.power(
        (Self.usualLoss.bits - bits) * BinaryLogarithm.approximate(Self.usualLoss.factor))
    let price = loss * Self.naturalLogarithm(Self.usualLoss.factor) * 8 / Double(max(1, source.parameterCount))
    var size = plan.count
    switch goal {
    case .whole: break
    case .tokens(let wanted): size = wanted
    case .automatic: size = max(plan.leastCount, plan.size(price: price / Self.caution))
    }
    let (nats, bytes) = plan.estimate(size: size), gain = bytes * price - Self.caution * nats
    if case .automatic = goal, gain < Self.leastGain * loss {
      self.source = source
      reason =
        size == plan.count
        ? "kept whole: no token is worth less than its bytes"
        : "kept whole: giving up \(plan.count - size) tokens would free \(Int(bytes)) bytes, worth \(Self.text(bytes * price)) nats "
          + "elsewhere, and cost about \(Self.text(nats))"
      return
    }
    guard size < plan.count else {
      self.source = source
      reason = "kept whole, as asked"
      return
    }
    self.source = try trimming.trimmed(keeping: try plan.tokens(size: size))
    reason =
      "\(plan.count - size) tokens given up: about \(Int(bytes)) bytes, worth \(Self.text(bytes * price)) nats elsewhere, for a "
      + "loss of about \(Self.text(nats))"
  }

  private static func naturalLogarithm(_ x: Double) -> Double { BinaryLogarithm.approximate(x) * 0.693147180559945309 }

  private static func text(_ nats: Double) -> String { "0." + String(Int(min(nats, 0.999) * 10000) + 10000).dropFirst() }
}
