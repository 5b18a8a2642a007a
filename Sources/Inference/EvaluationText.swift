import Tensors
import Tokenizers

/// What models are scored on: documents, each read from an empty context.
public struct EvaluationText: Sendable {
  /// A text, or a conversation in the format of a model.
  public struct Document: Sendable {
    /// What is read, joined to one text.
    public var pieces: [PromptPiece]
    /// How it begins, up to where scoring does; empty where all of it is scored.
    public var context: [PromptPiece]

    /// A document of `pieces`, which begin with those of `context`.
    public init(_ pieces: [PromptPiece], after context: [PromptPiece] = []) {
      self.pieces = pieces
      self.context = context
    }
  }

  /// The documents, scored in this order.
  public var documents: [Document]

  /// A text of many documents.
  public init(_ documents: [Document]) { self.documents = documents }

  /// A text of one document; what is not UTF-8 counts as U+FFFD.
  public init(_ bytes: [UInt8]) {
    documents = [Document([PromptPiece(String(decoding: bytes, as: UTF8.self), isControl: false)])]
  }
}

/// A stretch of a document that is run, and from which on its tokens are scored.
struct DocumentWindow {
  /// The tokens, by their places in the document; a BOS is not among them.
  var tokens: ArraySlice<Int32>
  /// The first of them that counts.
  var scoredFrom: Int
  /// Bytes of text that the tokens that count stand for.
  var bytes: Int
  /// The number of the document.
  var document: Int

  /// The place of the first token that counts among those that are run.
  var skipped: Int { scoredFrom - tokens.startIndex }
}

extension EvaluationText {
  /// The windows of all documents, at most `options.maximumWindows`.
  ///
  /// - Throws: `badInput` when there is no token to score.
  func windows(_ tokenizer: Tokenizer, _ options: EvaluationOptions, hasBOS: Bool) throws(LMToolError) -> [DocumentWindow] {
    var windows: [DocumentWindow] = [], count = 0
    for (number, document) in documents.enumerated() {
      var options = options
      options.maximumWindows = options.maximumWindows.map { $0 - windows.count }
      if options.maximumWindows == 0 { break }
      let tokens = tokenizer.encode(document.pieces, addSpecial: false)
      count += tokens.count
      let start = document.context.isEmpty ? 0 : Self.shared(tokens, tokenizer.encode(document.context, addSpecial: false))
      for part in Evaluation.windows(count: tokens.count, options: options, hasBOS: hasBOS, from: start) {
        let bytes = Self.bytes(of: tokens[part.scoredFrom..<part.tokens.upperBound], tokenizer)
        windows.append(
          DocumentWindow(tokens: tokens[part.tokens], scoredFrom: part.scoredFrom, bytes: bytes, document: number))
      }
    }
    guard !windows.isEmpty else {
      throw LMToolError(.badInput, "the text has \(count) tokens; at least 2 are needed to score one")
    }
    return windows
  }

  /// How many tokens two texts have in common at their start.
  private static func shared(_ a: [Int32], _ b: [Int32]) -> Int { zip(a, b).prefix { $0 == $1 }.count }

  /// Bytes of the text that tokens of a document stand for; the space that encoding put in front of it is not one of them.
  private static func bytes(of tokens: ArraySlice<Int32>, _ tokenizer: Tokenizer) -> Int {
    if tokens.startIndex == 0 { return tokenizer.decode(Array(tokens)).count }
    return tokens.reduce(0) { $0 + tokenizer.bytes(of: $1).count }
  }
}
