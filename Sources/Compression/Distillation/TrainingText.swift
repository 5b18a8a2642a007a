import Models
import Tensors
import Tokenizers

/// The text that a model learns from: windows of tokens, and which tokens of them count.
public struct TrainingText: Sendable {
  /// The windows.
  package let windows: TokenWindows
  /// Whether a token is to be learned, of all windows; nil for all tokens.
  package let counted: [Bool]?
  /// What the person who gave the text should know.
  public let warnings: [String]

  /// Tokens of a window.
  public var window: Int { windows.length }
  /// Tokens in all.
  public var tokens: Int { windows.tokens.count }
  /// Tokens that are to be learned.
  public var learned: Int { counted.map { $0.count { $0 } } ?? tokens }

  /// Tokens that are read of files at most, where nobody says otherwise.
  public static let usualTokens = 1 << 20

  /// Windows that are known already.
  package init(windows: TokenWindows, counted: [Bool]?) {
    (self.windows, self.counted, warnings) = (windows, counted, [])
  }

  /// All tokens of a calibration text.
  public init(_ text: CalibrationText) {
    windows = text.windows
    counted = nil
    warnings = text.warnings
  }

  /// Gathers the text that `options` ask for; without any the model's own samples.
  ///
  /// - Parameter answersOnly: whether of conversations only what the assistant says is learned.
  /// - Throws: `usage` for options that contradict each other; `missingInput`; `badInput` for files that are empty, no text, hold a line that
  ///   is no conversation, or too little.
  public init(
    _ source: ModelSource, _ options: CalibrationOptions, answersOnly: Bool, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    guard !answersOnly || !options.chats.isEmpty else {
      throw LMToolError(.usage, "--answers needs --chats, a file of conversations: of plain text there are no answers")
    }
    try options.validate(for: source.spec)
    if options.isOwnSamples {
      let samples = try CalibrationText(source, options, progress: progress)
      (windows, counted, warnings) = (samples.windows, nil, samples.warnings)
      return
    }
    let gathered = try Gathering(source, options, answersOnly: answersOnly)
    var length = options.windowLength(for: source.spec), found = gathered.windows(length: length)
    while found.count < 2, length > CalibrationOptions.leastWindow {
      length = max(CalibrationOptions.leastWindow, length / 2)
      found = gathered.windows(length: length)
    }
    if let own = options.ownSamples {
      let samples = try OwnSamples(source, windows: max(1, own / length), length: length, seed: options.seed)
      found += try samples.sample(progress: progress).map { $0.map { MarkedToken(id: $0, isAnswer: true) } }
    }
    guard found.count >= 2 else {
      throw LMToolError(
        .badInput, "there is too little in it to learn from and to judge by; give more text",
        file: (options.texts + options.chats).joined(separator: ", "))
    }
    windows = TokenWindows(found.flatMap { $0.map(\.id) }, length: length)
    counted = answersOnly || gathered.isPadded ? found.flatMap { $0.map(\.isAnswer) } : nil
    warnings = gathered.warnings
  }
}

/// The examples of files, before they are cut into windows.
private struct Gathering {
  private var texts: [TextSupply] = []
  private var examples: [[MarkedToken]] = []
  private let wanted: Int
  private let padding: Int32
  private(set) var warnings: [String] = []

  /// Whether a window may end with tokens that stand for nothing.
  var isPadded: Bool { !examples.isEmpty }

  init(_ source: ModelSource, _ options: CalibrationOptions, answersOnly: Bool) throws(LMToolError) {
    let tokenizer = try source.makeTokenizer(), format = ChatFormat(source, tokenizer), end = source.endTokens.min()
    wanted = options.tokens ?? TrainingText.usualTokens
    padding = end ?? 0
    for path in options.texts {
      texts.append(try TextSupply(path: path, tokenizer: tokenizer, tokens: wanted))
      warnings += texts[texts.count - 1].warnings
    }
    for path in options.chats {
      let file = try ConversationFile(path: path)
      var tokens = 0
      for index in ChatSupply.spread(file.count) where tokens < wanted {
        let example = try file.example(index)
        var marked = try file.reading(index) { () throws(LMToolError) in try format.marked(example, end: end) }
        if !answersOnly { for index in marked.indices { marked[index].isAnswer = true } }
        examples.append(marked)
        tokens += marked.count
      }
      if format.isPlain {
        warnings.append("\(path.printable): the model has no chat format that is known; messages are joined as plain text")
      }
    }
  }

  /// Windows that hold anything to learn, those of each file beside those of the others.
  func windows(length: Int) -> [[MarkedToken]] {
    let most = max(1, wanted / length)
    var found = texts.flatMap { text in
      text.windows(min(most, text.available(length: length)), length: length).map {
        $0.map { MarkedToken(id: $0, isAnswer: true) }
      }
    }
    let packed = ChatSupply.packed(examples, length: length)
    found += packed.whole
    if !packed.rest.isEmpty {
      let missing = length - packed.rest.count
      found.append(packed.rest + Array(repeating: MarkedToken(id: padding, isAnswer: false), count: missing))
    }
    return found.filter { $0.dropFirst().contains { $0.isAnswer } }
  }
}
