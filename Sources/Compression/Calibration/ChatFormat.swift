import Models
import Tensors
import Tokenizers

/// How conversations become tokens of a model.
struct ChatFormat {
  private let tokenizer: Tokenizer
  private let template: ChatTemplate?

  /// A model whose template cannot be used, or refuses a plain question, counts as one without.
  init(_ source: ModelSource, _ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
    let own = try? source.makeChatTemplate()
    template = Self.asks(own) ? own : nil
  }

  private static func asks(_ template: ChatTemplate?) -> Bool {
    (try? template?.prompt(messages: [ChatMessage(role: .user, content: "A")], addGenerationPrompt: true)) != nil
  }

  /// Whether the model has no chat format of its own.
  var isPlain: Bool { template == nil }

  /// A whole conversation.
  ///
  /// - Throws: `badInput` when the model's template refuses it.
  func tokens(of messages: [ChatMessage]) throws(LMToolError) -> [Int32] {
    guard let template else {
      return tokenizer.encode(messages.map(\.content).joined(separator: "\n\n") + "\n\n")
    }
    return tokenizer.encode(try template.prompt(messages: messages, addGenerationPrompt: false))
  }

  /// A conversation or a text, as `tokens(of:)`.
  func tokens(of example: Conversation.Example) throws(LMToolError) -> [Int32] {
    switch example {
    case .conversation(let messages): try tokens(of: messages)
    case .text(let text): tokenizer.encode(text)
    }
  }

  /// A conversation up to where the answer begins that follows its messages.
  private func tokens(before messages: ArraySlice<ChatMessage>) throws(LMToolError) -> [Int32] {
    guard let template else { return messages.isEmpty ? tokenizer.encode("") : try tokens(of: Array(messages)) }
    return tokenizer.encode(try template.prompt(messages: Array(messages), addGenerationPrompt: true))
  }

  /// A whole example, and which of its tokens the assistant says, the end of each answer included; of a text all are. Where the format
  /// marks no end, `end` stands behind it.
  ///
  /// Answers are what a conversation up to an answer has more than one up to the question before it, token by token, as far as both are
  /// beginnings of the whole.
  func marked(_ example: Conversation.Example, end: Int32?) throws(LMToolError) -> [MarkedToken] {
    let tail = isPlain ? end.map { [$0] } ?? [] : []
    guard case .conversation(let messages) = example else {
      return (try tokens(of: example) + (end.map { [$0] } ?? [])).map { MarkedToken(id: $0, isAnswer: true) }
    }
    let whole = try tokens(of: messages) + tail
    var marked = whole.map { MarkedToken(id: $0, isAnswer: false) }
    func shared(_ other: [Int32]) -> Int { zip(whole, other).prefix { $0 == $1 }.count }
    for index in messages.indices where messages[index].role == .assistant {
      let start = shared(try tokens(before: messages[..<index]))
      let isLast = index == messages.count - 1
      let stop = isLast ? whole.count : shared(try tokens(of: Array(messages[...index])))
      for place in start..<max(start, stop) { marked[place].isAnswer = true }
    }
    return marked
  }

  /// A question, up to where the answer begins.
  func tokens(asking question: String) -> [Int32] {
    let message = ChatMessage(role: .user, content: question)
    let pieces = try? template?.prompt(messages: [message], addGenerationPrompt: true)
    return tokenizer.encode(pieces ?? [PromptPiece(question, isControl: false)])
  }
}

/// A token of an example.
struct MarkedToken {
  /// The token.
  var id: Int32
  /// Whether the assistant says it.
  var isAnswer: Bool
}
