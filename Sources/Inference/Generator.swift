import Kernels
import Models
import Tensors
import Tokenizers

/// When and how long to generate.
public struct GenerationOptions: Sendable {
  /// The most tokens to generate; nil goes on until the model ends or the consumer stops.
  public var maximumTokens: Int?
  /// Positions of the context.
  public var contextSize: Int
  /// When the context is full, so many tokens of its start are kept, then the later half of the rest.
  public var keep: Int
  /// Texts that end the generation; they are not part of the result.
  public var stopStrings: [String]
  /// How tokens are chosen.
  public var sampling: SamplingOptions
  /// How keys and values are held.
  public var cache: CacheFormat

  /// Options with these defaults.
  public init(
    maximumTokens: Int? = nil, contextSize: Int = 2048, keep: Int = 0, stopStrings: [String] = [],
    sampling: SamplingOptions = .init(), cache: CacheFormat = .f16
  ) {
    self.maximumTokens = maximumTokens
    self.contextSize = contextSize
    self.keep = keep
    self.stopStrings = stopStrings
    self.sampling = sampling
    self.cache = cache
  }
}

/// What a generation was.
public struct GenerationReport: Sendable {
  /// Why it ended.
  public enum Ending: String, Sendable { case endToken, stopString, length, stopped }
  /// The tokens generated, the end token left out.
  public var tokens: [Int32] = []
  /// The text generated.
  public var text = ""
  /// Why it ended.
  public var ending = Ending.length
  /// Tokens of the prompt.
  public var promptTokens = 0
  /// Time for the prompt.
  public var promptTime = Duration.zero
  /// Time for the tokens after the first.
  public var decodeTime = Duration.zero

  /// Prompt tokens per second.
  public var promptRate: Double { Double(promptTokens) / max(1e-9, promptTime.seconds) }
  /// Generated tokens per second.
  public var decodeRate: Double { Double(max(0, tokens.count - 1)) / max(1e-9, decodeTime.seconds) }
}

extension Duration {
  /// The duration in seconds.
  public var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

/// Turns a prompt into text, token by token; keeps the cache between turns of a chat.
public final class Generator {
  private let model: Transformer
  private let tokenizer: Tokenizer
  private let endTokens: Set<Int32>
  private let options: GenerationOptions
  private let session: Session
  private var sampler: Sampler
  /// The tokens in the cache.
  private var history: [Int32] = []

  /// A generator with an empty context.
  ///
  /// - Throws: `usage` when an option means nothing.
  public init(
    _ model: Transformer, tokenizer: Tokenizer, endTokens: Set<Int32>, options: GenerationOptions
  ) throws(LMToolError) {
    try options.sampling.validate()
    var options = options
    options.contextSize = min(options.contextSize, model.spec.positionLimit ?? options.contextSize)
    guard options.contextSize >= 8, options.keep >= 0, options.keep <= options.contextSize / 2 else {
      throw LMToolError(.usage, "--ctx-size must be 8 or more, and --keep from 0 to half of it")
    }
    self.model = model
    self.tokenizer = tokenizer
    self.endTokens = endTokens
    self.options = options
    session = Session(model, capacity: options.contextSize, cache: options.cache)
    sampler = Sampler(options.sampling)
  }

  /// Generates after `prompt`. What the prompt shares with the text so far is not computed again, so a chat passes its
  /// whole conversation every time.
  ///
  /// - Parameter emit: receives whole characters as they come; returning false stops.
  /// - Throws: `usage` when the prompt is empty, or longer than the context at the first call; later it is shortened.
  public func generate(_ prompt: [Int32], emit: (String) -> Bool = { _ in true }) throws(LMToolError) -> GenerationReport {
    let prompt = try rewind(to: prompt)
    var report = GenerationReport()
    report.promptTokens = prompt.count
    let clock = ContinuousClock()
    let start = clock.now
    for token in prompt.suffix(Sampler.lookBack) { sampler.accept(token) }
    var next = sampler.sample(try advance(prompt))
    report.promptTime = clock.now - start
    let decodeStart = clock.now
    var output = OutputText(tokenizer, stopStrings: options.stopStrings)
    while true {
      if endTokens.contains(next) {
        report.ending = .endToken
        break
      }
      if report.tokens.count == options.maximumTokens { break }
      report.tokens.append(next)
      sampler.accept(next)
      let isStopped = output.append(next)
      let piece = output.take()
      if !piece.isEmpty && !emit(piece) { report.ending = .stopped }
      if isStopped { report.ending = .stopString }
      guard report.ending == .length, report.tokens.count != options.maximumTokens else { break }
      next = sampler.sample(try advance([next]))
    }
    report.decodeTime = clock.now - decodeStart
    if report.ending != .stopped {
      output.finish()
      let rest = output.take()
      if !rest.isEmpty { _ = emit(rest) }
    }
    report.text = output.text
    return report
  }

  /// Shortens cache and history to what `prompt` starts with; returns the rest of it.
  private func rewind(to prompt: [Int32]) throws(LMToolError) -> [Int32] {
    guard !prompt.isEmpty else { throw LMToolError(.usage, "the prompt is empty; give one with -p") }
    var prompt = prompt
    if prompt.count >= options.contextSize {
      guard !history.isEmpty else {
        throw LMToolError(
          .usage, "the prompt has \(prompt.count) tokens and the context \(options.contextSize); raise --ctx-size or shorten it")
      }
      prompt = shortened(prompt)
    }
    let shared = zip(prompt, history).prefix { $0 == $1 }.count
    let kept = min(shared, session.length, prompt.count - 1)
    session.truncate(to: kept)
    history = Array(prompt.prefix(kept))
    return Array(prompt.dropFirst(kept))
  }

  /// The first `keep` tokens and so many of the last ones that half of the rest of the context is free.
  private func shortened(_ tokens: [Int32]) -> [Int32] {
    Array(tokens.prefix(options.keep)) + tokens.suffix((options.contextSize - options.keep) / 2)
  }

  /// Runs tokens, making room first when the context is full.
  private func advance(_ tokens: [Int32]) throws(LMToolError) -> Logits {
    history += tokens
    if history.count > options.contextSize {
      history = shortened(history)
      session.truncate(to: min(options.keep, session.length))
    }
    return try session.forward(history[session.length...], logits: .last)
  }
}

/// The text of generated tokens: whole characters only, up to the first stop string.
///
/// Stop strings are compared byte by byte: the line feed of "\r\n" is no `Character` of its own, but it ends a text that
/// a line feed shall end. Both sides are whole UTF-8, so a match never cuts a character of Unicode.
package struct OutputText {
  private var decoder: StreamingDecoder
  private let stops: [[UInt8]]
  /// Decoded but not yet given out: it may be the start of a stop string.
  private var pending: [UInt8] = []
  private var ready = ""
  /// Everything given out.
  package private(set) var text = ""
  private var isStopped = false

  /// No text yet.
  package init(_ tokenizer: Tokenizer, stopStrings: [String]) {
    decoder = StreamingDecoder(tokenizer, skipSpecial: true)
    stops = stopStrings.filter { !$0.isEmpty }.map { Array($0.utf8) }
  }

  /// Adds a token; true when a stop string is complete.
  package mutating func append(_ token: Int32) -> Bool {
    add(decoder.append(token))
    return isStopped
  }

  /// Gives out what was held back.
  package mutating func finish() {
    add(decoder.finish())
    if !isStopped { release(pending.count) }
  }

  /// What can be shown now.
  package mutating func take() -> String {
    defer { ready = "" }
    text += ready
    return ready
  }

  private mutating func add(_ piece: String) {
    guard !isStopped else { return }
    pending += piece.utf8
    if let end = stops.compactMap({ pending.firstRange(of: $0)?.lowerBound }).min() {
      release(end)
      isStopped = true
      return
    }
    let held = stops.map { Self.overlap(of: pending, with: $0) }.max() ?? 0
    release(pending.count - held)
  }

  /// Makes the first `count` bytes ready.
  private mutating func release(_ count: Int) {
    ready += String(decoding: pending[..<count], as: UTF8.self)
    pending.removeFirst(count)
  }

  /// The length of the longest end of `text` that `stop` starts with.
  private static func overlap(of text: [UInt8], with stop: [UInt8]) -> Int {
    (0..<min(text.count, stop.count)).reversed().map { $0 + 1 }.first { stop.starts(with: text.suffix($0)) } ?? 0
  }
}
