import Inference
import Kernels
import Models
import Quantization
import Tensors
import Tokenizers

/// Compares compressed models with the original on windows that calibration has not seen.
struct RateJudge {
  private let original: ModelSource
  private let tokenizer: Tokenizer?
  private let text: EvaluationText
  private let window: Int

  init(_ original: ModelSource, windows: TokenWindows) throws(LMToolError) {
    self.original = original
    tokenizer = original.tokenizer == nil ? nil : try original.makeTokenizer()
    // Special tokens in it are meant as such: chats are judged in the format of the model.
    let bytes = tokenizer?.decode(windows.tokens) ?? []
    text = EvaluationText([.init([PromptPiece(String(decoding: bytes, as: UTF8.self), isControl: true)])])
    window = windows.length
  }

  /// The quality of a model.
  func judge(_ model: ModelSource, progress: ProgressConsumer?) throws(LMToolError) -> RateReport.Quality {
    guard let tokenizer else {
      throw LMToolError(.missingInput, "the model has no tokenizer, so its quality cannot be measured", file: original.path)
    }
    let evaluation = try Evaluation(EvaluationOptions(window: window), tokenizer: tokenizer)
    let result = try evaluation.score(
      try Transformer(model), on: text, against: try Transformer(original, arithmetic: .float), progress: progress)
    let before = result.otherPerplexity ?? 1, ratio = result.perplexity / before
    let bits = BinaryLogarithm.approximate(max(ratio, 1e-30)) * Double(result.tokens) / Double(max(1, result.bytes))
    return RateReport.Quality(
      text: "held-out calibration", tokens: result.tokens, bitsPerByteBefore: result.bitsPerByte - bits,
      bitsPerByteAfter: result.bitsPerByte, perplexityBefore: before, perplexityAfter: result.perplexity,
      divergence: result.klMean ?? 0, divergence99: result.kl99 ?? 0, topAgreement: result.topAgreement ?? 0)
  }
}
