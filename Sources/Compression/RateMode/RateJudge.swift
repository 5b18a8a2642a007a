import Inference
import Kernels
import Models
import Quantization
import Tensors
import Tokenizers

/// Compares compressed models with the original on windows that calibration has not seen.
struct RateJudge {
  private let original: ModelSource
  private let tokenizer: Tokenizer
  private let text: EvaluationText
  private let window: Int

  private let splits: TokenSplits?

  /// Judges by `windows`, whose tokens are those of `trimmed`, the original or what its vocabulary was trimmed to.
  ///
  /// - Throws: `missingInput` when the model has no tokenizer: its quality cannot be measured.
  init(_ original: ModelSource, windows: TokenWindows, tokenizedBy trimmed: ModelSource) throws(LMToolError) {
    self.original = original
    tokenizer = try trimmed.makeTokenizer()
    // Special tokens in it are meant as such: chats are judged in the format of the model.
    let bytes = tokenizer.decode(windows.tokens)
    text = EvaluationText([.init([PromptPiece(String(decoding: bytes, as: UTF8.self), isControl: true)])])
    window = windows.length
    if trimmed.spec.vocabularySize != original.spec.vocabularySize {
      splits = try TokenSplits(of: try original.makeTokenizer(), in: tokenizer)
    } else {
      splits = nil
    }
  }

  /// The quality of a model.
  func judge(_ model: ModelSource, progress: ProgressConsumer?) throws(LMToolError) -> RateReport.Quality {
    let evaluation = try Evaluation(EvaluationOptions(window: window), tokenizer: tokenizer)
    let compressed = try Transformer(model), original = try Transformer(original, arithmetic: .float)
    let result: EvaluationResult
    if let splits {
      result = try evaluation.score(compressed, on: text, against: original, splits: splits, progress: progress)
    } else {
      result = try evaluation.score(compressed, on: text, against: original, progress: progress)
    }
    let before = result.otherPerplexity ?? 1, ratio = result.perplexity / before
    let bits = BinaryLogarithm.approximate(max(ratio, 1e-30)) * Double(result.tokens) / Double(max(1, result.bytes))
    return RateReport.Quality(
      text: "held-out calibration", tokens: result.tokens,
      bitsPerByteBefore: result.otherBitsPerByte ?? result.bitsPerByte - bits,
      bitsPerByteAfter: result.bitsPerByte, perplexityBefore: before, perplexityAfter: result.perplexity,
      divergence: result.klMean ?? 0, divergence99: result.kl99 ?? 0, topAgreement: result.topAgreement ?? 0)
  }
}
