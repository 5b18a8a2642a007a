import Models
import Tensors

/// Text that a model writes itself, as a file of examples: training data that need no data.
public enum Sampling {
  /// What was written.
  public struct Report: Codable, Sendable, Equatable {
    /// Texts that continue a word.
    public var texts: Int
    /// Questions with their answers.
    public var conversations: Int
    /// Tokens that were sampled, those of answers without an end included.
    public var tokens: Int
  }

  /// The most tokens at once.
  public static let mostTokens = 1 << 26

  /// Writes one JSON object to the line: `messages` of a question and its answer, or `text`.
  ///
  /// - Parameters:
  ///   - window: tokens that are sampled in one go; nil for 512, or the model's context.
  ///   - questions: a file of questions to ask, one to the line, instead of the usual ones.
  /// - Throws: `usage` for counts that make no sense, and for questions to a model without a chat format; `missingInput`; `badInput` for a
  ///   file without questions; `cannotCreate` where there is no folder for the output.
  public static func run(
    _ source: ModelSource, tokens: Int, window: Int? = nil, seed: UInt64, questions: String? = nil, to path: String,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> Report {
    var options = CalibrationOptions()
    options.tokens = min(tokens, CalibrationOptions.mostTokens)
    options.window = window
    options.seed = seed
    try options.validate(for: source.spec)
    let length = options.windowLength(for: source.spec), count = max(1, tokens / length)
    let samples = try OwnSamples(
      source, windows: count, length: length, seed: seed, questions: try questions.map(Self.questions))
    guard questions == nil || samples.canAsk else {
      throw LMToolError(.usage, "the model has no chat format to ask questions in; leave --questions out", file: source.path)
    }
    try OutputPath.check(path, against: source)
    let output = try OutputFile(path: path), texts = try samples.texts(progress: progress)
    for text in texts { try output.write(try encodeJSON(Self.line(text)) + [UInt8(ascii: "\n")]) }
    try output.commit()
    let asked = texts.count { $0.question != nil }
    return Report(texts: texts.count - asked, conversations: asked, tokens: count * length)
  }

  private static func line(_ text: OwnText) -> JSONValue {
    guard let question = text.question else { return .object(["text": .string(text.text)]) }
    func message(_ role: String, _ content: String) -> JSONValue {
      .object(["role": .string(role), "content": .string(content)])
    }
    return .object(["messages": .array([message("user", question), message("assistant", text.text)])])
  }

  private static func questions(_ path: String) throws(LMToolError) -> [String] {
    let file = try MappedFile(path: path)
    _ = try TextCheck(file)
    let text = file.withBytes(0..<file.count) { String(decoding: $0, as: UTF8.self) }
    let lines = text.split(whereSeparator: \.isNewline).map(String.init).filter { $0.contains { !$0.isWhitespace } }
    guard !lines.isEmpty else { throw LMToolError(.badInput, "there is no question in it, one to the line", file: path) }
    return lines
  }
}
