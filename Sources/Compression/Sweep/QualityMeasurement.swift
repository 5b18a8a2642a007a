import Inference
import Models
import Tensors
import Tokenizers

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Measures models beside the one that they were made from, on the same windows of the same texts.
public struct QualityMeasurement {
  private let source: ModelSource
  private let original: Transformer
  private let tokenizer: Tokenizer
  private let texts: [(name: String, bytes: [UInt8])]
  private let options: EvaluationOptions
  private let arithmetic: Arithmetic

  /// Tokens of a window.
  public var window: Int { options.window }

  /// Loads the original and the texts.
  ///
  /// - Parameters:
  ///   - texts: paths of text files.
  ///   - maximumWindows: the most windows of each text; nil for all.
  /// - Throws: `missingInput`; `badInput` for a text of fewer than 2 tokens; `usage` for no text, or fewer than 1 window.
  public init(
    _ source: ModelSource, texts paths: [String], maximumWindows: Int?, arithmetic: Arithmetic = .integer,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    guard !paths.isEmpty else { throw LMToolError(.usage, "there is no text to measure quality on; name one") }
    self.source = source
    self.arithmetic = arithmetic
    // A part of the vocabulary needs more tokens for a window, which must fit into the context too.
    options = EvaluationOptions(window: max(2, min(512, source.spec.contextLength / 2)), maximumWindows: maximumWindows)
    try options.validate()
    let tokenizer = try source.makeTokenizer()
    self.tokenizer = tokenizer
    texts = try paths.map { (path) throws(LMToolError) in
      let file = try MappedFile(path: path)
      let bytes = file.withBytes(0..<file.count) { Array($0) }
      guard tokenizer.encode(bytes: Array(bytes.prefix(1 << 16)), addSpecial: false).count > 1 else {
        throw LMToolError(.badInput, "the text has fewer than 2 tokens, too few to measure quality on", file: path)
      }
      return (path, bytes)
    }
    original = try Transformer(source, arithmetic: arithmetic, progress: progress)
  }

  /// Refuses a model that cannot be compared token by token, before any work: one of another vocabulary, or of a shorter context.
  ///
  /// - Throws: `usage`.
  public func check(_ other: ModelSource) throws(LMToolError) {
    let size = source.spec.vocabularySize
    guard other.spec.vocabularySize == size else {
      throw LMToolError(
        .usage, "it has a vocabulary of \(other.spec.vocabularySize) tokens, and the model has \(size); they cannot be compared",
        file: other.path)
    }
    guard other.spec.contextLength >= options.window else {
      throw LMToolError(
        .usage, "its context of \(other.spec.contextLength) tokens is shorter than the window of \(options.window)",
        file: other.path)
    }
    guard let theirs = other.tokenizer?.vocabulary, let ours = source.tokenizer?.vocabulary else { return }
    for id in 0..<min(ours.count, theirs.count) where ours.type(of: id) == .normal && theirs.type(of: id) == .normal {
      guard ours[id] == theirs[id] else {
        throw LMToolError(
          .usage,
          "its token \(id) is \"\(theirs.text(of: id).printable)\", and the model's is \"\(ours.text(of: id).printable)\": their "
            + "vocabularies differ, so they cannot be compared", file: other.path)
      }
    }
  }

  /// Measures a model of the original's vocabulary, or of a part of it.
  ///
  /// - Throws: `badInput` when its logits are no numbers; `usage` when the vocabularies have nothing to do with each other.
  public func measure(_ other: ModelSource, progress: ProgressConsumer? = nil) throws(LMToolError) -> [RateReport.Quality] {
    let model = try Transformer(other, arithmetic: arithmetic, progress: progress)
    let isWhole = other.spec.vocabularySize == source.spec.vocabularySize
    let smaller = isWhole ? nil : try other.makeTokenizer()
    let splits = try smaller.map { (smaller) throws(LMToolError) in try TokenSplits(of: tokenizer, in: smaller) }
    let evaluation = try Evaluation(options, tokenizer: smaller ?? tokenizer)
    return try texts.map { (text) throws(LMToolError) in
      let result: EvaluationResult, scored = EvaluationText(text.bytes)
      if let splits {
        result = try evaluation.score(model, on: scored, against: original, splits: splits, progress: progress)
      } else {
        result = try evaluation.score(model, on: scored, against: original, progress: progress)
      }
      guard let quality = RateReport.Quality(result, on: text.name), quality.divergence.isFinite else {
        throw LMToolError(
          .badInput, "the logits are not finite, so the weights are broken; lmtool inspect --tensor shows which",
          file: other.path,
          rule: "MODEL-5")
      }
      return quality
    }
  }
}

extension RateReport.Quality {
  /// What an evaluation beside the original found; nil when it was of one model alone.
  ///
  /// With a part of the vocabulary the artifact needs more tokens for a text. Its perplexity is then given for a token of the original: as
  /// the bits per byte of the two are to each other, so are the logarithms of their perplexities.
  public init?(_ result: EvaluationResult, on text: String) {
    guard let before = result.otherPerplexity, let mean = result.klMean, let p99 = result.kl99, let top = result.topAgreement
    else {
      return nil
    }
    let bitsOfToken = log2(before)
    if let bitsPerByte = result.otherBitsPerByte {
      bitsPerByteBefore = bitsPerByte
      perplexityAfter = exp2(bitsOfToken * result.bitsPerByte / bitsPerByte)
    } else {
      bitsPerByteBefore = bitsOfToken * Double(result.tokens) / Double(max(1, result.bytes))
      perplexityAfter = result.perplexity
    }
    self.text = text
    tokens = result.tokens
    bitsPerByteAfter = result.bitsPerByte
    perplexityBefore = before
    divergence = mean
    divergence99 = p99
    topAgreement = top
  }
}
