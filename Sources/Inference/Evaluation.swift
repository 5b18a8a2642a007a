import Kernels
import Models
import Tensors
import Tokenizers

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How a text is cut for evaluation.
public struct EvaluationOptions: Sendable {
  /// Tokens of a window, a leading BOS included.
  public var window: Int
  /// How far the next window starts after this one; equal to the window, windows do not overlap.
  public var stride: Int
  /// The most windows; nil for the whole text.
  public var maximumWindows: Int?

  /// Options; `stride` defaults to the window.
  public init(window: Int = 512, stride: Int? = nil, maximumWindows: Int? = nil) {
    self.window = window
    self.stride = stride ?? window
    self.maximumWindows = maximumWindows
  }

  /// Refuses what cannot be evaluated.
  public func validate() throws(LMToolError) {
    guard window >= 2, stride >= 1, stride <= window, maximumWindows ?? 1 >= 1 else {
      throw LMToolError(.usage, "--window must be 2 or more, --stride from 1 to the window, --windows 1 or more")
    }
  }
}

/// How well a model predicts a text, and how far it is from another one. Logarithms are natural unless said otherwise.
public struct EvaluationResult: Sendable {
  /// exp of the mean negative log-likelihood of a token.
  public var perplexity: Double
  /// Negative log-likelihood in bits, divided by the bytes of the scored tokens: comparable across tokenizers.
  public var bitsPerByte: Double
  /// Tokens that were scored.
  public var tokens: Int
  /// Bytes of text that these tokens stand for; special tokens count as they are spelled.
  public var bytes: Int
  /// Documents of which a token was scored.
  public var documents: Int
  /// Mean over positions of KL(other ‖ model); a position is a token of the other model.
  public var klMean: Double?
  /// The 99th percentile of the same.
  public var kl99: Double?
  /// The fraction of positions at which both find the same token most likely.
  public var topAgreement: Double?
  /// The other model's perplexity.
  public var otherPerplexity: Double?
  /// The other model's bits per byte, where it has a larger vocabulary than this one.
  public var otherBitsPerByte: Double?
}

/// Scores texts.
public struct Evaluation: Sendable {
  /// Tokens that pass through a model together while scoring.
  package static let chunk = 64

  /// The tokenizer of the model that is scored.
  public let tokenizer: Tokenizer
  private let options: EvaluationOptions

  /// - Throws: `usage` when an option means nothing.
  public init(_ options: EvaluationOptions, tokenizer: Tokenizer) throws(LMToolError) {
    try options.validate()
    self.options = options
    self.tokenizer = tokenizer
  }

  /// One stretch of the text: the tokens to run and from which on they are scored.
  package struct Window: Equatable {
    /// Positions of the text.
    package var tokens: Range<Int>
    /// The first position of the text whose token counts.
    package var scoredFrom: Int
  }

  /// The windows of a text of `count` tokens. With a BOS every window has it in front, so that its first token of text is
  /// scored too; without, the first token of a window is scored only if the window before it reaches beyond it, so windows
  /// that do not overlap leave out one token each. Nothing is scored before the position `start`.
  package static func windows(count: Int, options: EvaluationOptions, hasBOS: Bool, from start: Int = 0) -> [Window] {
    let size = options.window - (hasBOS ? 1 : 0), step = min(options.stride, size)
    var windows: [Window] = []
    var scored = start
    for begin in stride(from: 0, to: count, by: step) {
      let end = min(begin + size, count)
      let first = max(scored, begin + (hasBOS ? 0 : 1))
      if end > first { windows.append(Window(tokens: begin..<end, scoredFrom: first)) }
      scored = max(scored, end)
      if end == count || windows.count == options.maximumWindows { break }
    }
    return windows
  }

  /// Scores `text` under `model`; with `other`, compares the two position by position.
  ///
  /// - Throws: `badInput` when the text is too short to score a token.
  public func score(
    _ model: Transformer, on text: EvaluationText, against other: Transformer? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> EvaluationResult {
    let bos = bos(of: tokenizer), windows = try text.windows(tokenizer, options, hasBOS: bos != nil)
    var scorer = Scorer(model: model, other: other, window: options.window), done = 0
    let total = windows.tokens
    for window in windows {
      try scorer.add(Array(window.tokens), bos: bos, scoredFrom: window.skipped)
      done += window.tokens.count
      progress?(ProgressUpdate(stage: "eval", done: done, total: total, unit: .tokens))
    }
    return scorer.result(bytes: windows.bytes, documents: Set(windows.map(\.document)).count)
  }

  /// Scores `text` under `model`, and compares it with `other`, of whose vocabulary `model` has a part: token by token of `other`.
  ///
  /// - Parameter splits: what the model's tokenizer makes of the tokens of `other`.
  /// - Throws: `usage` when a window has more pieces than the model's context; `badInput` as above.
  public func score(
    _ model: Transformer, on text: EvaluationText, against other: Transformer, splits: TokenSplits,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> EvaluationResult {
    var result = try score(model, on: text, progress: progress)
    let bos = bos(of: splits.large), windows = try text.windows(splits.large, options, hasBOS: bos != nil)
    let pieces = windows.map { $0.tokens.reduce(bos == nil ? 0 : 1) { $0 + splits[$1].count } }.max() ?? 0
    guard pieces <= model.spec.contextLength else {
      throw LMToolError(
        .usage, "a window has \(pieces) tokens of the smaller vocabulary, more than its context; choose a smaller --window")
    }
    var scorer = TrimmedScorer(model, pieces: pieces, against: other, tokens: options.window, splits: splits), done = 0
    let total = windows.tokens
    for window in windows {
      try scorer.add(Array(window.tokens), bos: bos, scoredFrom: window.skipped)
      done += window.tokens.count
      progress?(ProgressUpdate(stage: "compare", done: done, total: total, unit: .tokens))
    }
    result.add(scorer.scores, bytes: windows.bytes)
    return result
  }

  /// What stands in front of every window.
  private func bos(of tokenizer: Tokenizer) -> Int32? { tokenizer.definition.addsBOS ? tokenizer.definition.bos : nil }
}

extension [DocumentWindow] {
  /// Tokens that are run.
  fileprivate var tokens: Int { reduce(0) { $0 + $1.tokens.count } }
  /// Bytes of text that are scored.
  fileprivate var bytes: Int { reduce(0) { $0 + $1.bytes } }
}

private let ln2 = 0.693147180559945309

extension EvaluationResult {
  /// Sums up how two models compare.
  fileprivate mutating func add(divergences: [Double], otherLosses: [Double], agreements: Int) {
    let count = divergences.count
    klMean = divergences.reduce(0, +) / Double(count)
    kl99 = divergences.sorted()[min(count - 1, Int((Double(count) * 0.99).rounded(.down)))]
    topAgreement = Double(agreements) / Double(count)
    otherPerplexity = exp(otherLosses.reduce(0, +) / Double(count))
  }

  /// Sums up how a model compares with one of a larger vocabulary, whose tokens have `bytes` bytes.
  fileprivate mutating func add(_ scores: [TrimmedScorer.Score], bytes: Int) {
    let losses = scores.map(\.otherLoss)
    add(divergences: scores.map(\.divergence), otherLosses: losses, agreements: scores.count { $0.agrees })
    otherBitsPerByte = losses.reduce(0, +) / ln2 / Double(max(1, bytes))
  }
}

/// Adds up likelihoods and divergences, window by window.
private struct Scorer {
  let model: Session
  let other: Session?
  let vocabulary: Int
  var losses: [Double] = []
  var otherLosses: [Double] = []
  var divergences: [Double] = []
  var agreements = 0

  init(model: Transformer, other: Transformer?, window: Int) {
    self.model = Session(model, capacity: window)
    self.other = other.map { Session($0, capacity: window) }
    vocabulary = model.spec.vocabularySize
  }

  /// Scores the tokens of a window from index `scoredFrom` on.
  mutating func add(_ tokens: [Int32], bos: Int32?, scoredFrom: Int) throws(LMToolError) {
    model.truncate(to: 0)
    other?.truncate(to: 0)
    let input = (bos.map { [$0] } ?? []) + tokens
    let shift = bos == nil ? 1 : 0  // the logits at input i predict tokens[i + shift]
    for start in stride(from: 0, to: input.count, by: Evaluation.chunk) {
      let part = input[start..<min(start + Evaluation.chunk, input.count)]
      let mine = try model.forward(part, logits: .all)
      let theirs = try other?.forward(part, logits: .all)
      let positions = part.indices.filter { $0 + shift >= scoredFrom && $0 + shift < tokens.count }
      score(positions.map { ($0 - start, Int(tokens[$0 + shift])) }, mine.buffer, theirs?.buffer)
      withExtendedLifetime((mine, theirs)) {}
    }
  }

  private mutating func score(
    _ positions: [(row: Int, target: Int)], _ mine: UnsafeBufferPointer<Float>, _ theirs: UnsafeBufferPointer<Float>?
  ) {
    let vocabulary = self.vocabulary
    var rows = [Row](repeating: Row(), count: positions.count)
    rows.withUnsafeMutableBufferPointer { rows in
      nonisolated(unsafe) let rows = rows
      ThreadPool.shared.forEach(positions.count) { index in
        let (row, target) = positions[index]
        let at = row * vocabulary
        rows[index] = Row(mine.baseAddress! + at, theirs?.baseAddress.map { $0 + at }, target: target, count: vocabulary)
      }
    }
    losses += rows.map(\.loss)
    guard theirs != nil else { return }
    otherLosses += rows.map(\.otherLoss)
    divergences += rows.map(\.divergence)
    agreements += rows.count { $0.agrees }
  }

  func result(bytes: Int, documents: Int) -> EvaluationResult {
    let total = losses.reduce(0, +), count = losses.count
    var result = EvaluationResult(
      perplexity: exp(total / Double(count)), bitsPerByte: total / ln2 / Double(max(1, bytes)), tokens: count,
      bytes: bytes, documents: documents)
    guard !divergences.isEmpty else { return result }
    result.add(divergences: divergences, otherLosses: otherLosses, agreements: agreements)
    return result
  }

  /// What one position contributes.
  struct Row {
    var loss = 0.0
    var otherLoss = 0.0
    var divergence = 0.0
    var agrees = false

    init() {}

    init(_ mine: UnsafePointer<Float>, _ theirs: UnsafePointer<Float>?, target: Int, count: Int) {
      let sum = logSumExp(mine, count: count)
      loss = sum - Double(mine[target])
      guard let theirs else { return }
      let otherSum = logSumExp(theirs, count: count)
      otherLoss = otherSum - Double(theirs[target])
      divergence = max(0, Kernels.divergence(of: theirs, from: mine, count: count, logSums: (otherSum, sum)))
      agrees = argmax(mine, count: count) == argmax(theirs, count: count)
    }
  }
}
