import Models
import Tokenizers

/// How conversations become tokens of a model.
struct ChatFormat {
  private let tokenizer: Tokenizer
  private let template: ChatTemplate?

  init(_ source: ModelSource, _ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
    template = Self.template(of: source)
  }

  /// The chat format of a model, nil where it has none that is known.
  static func template(of source: ModelSource) -> ChatTemplate? {
    source.chatTemplate.flatMap { ChatTemplate.recognize(jinja: $0) }
  }

  /// Whether the model has no chat format of its own.
  var isPlain: Bool { template == nil }

  /// A whole conversation.
  func tokens(of messages: [ChatMessage]) -> [Int32] {
    guard let template else {
      return tokenizer.encode(messages.map(\.content).joined(separator: "\n\n") + "\n\n")
    }
    return tokenizer.encode(template.prompt(messages: messages, addGenerationPrompt: false))
  }

  /// A question, up to where the answer begins.
  func tokens(asking question: String) -> [Int32] {
    let message = ChatMessage(role: .user, content: question)
    return tokenizer.encode(
      (template ?? ChatTemplate(.plain)).prompt(messages: [message], addGenerationPrompt: true))
  }
}
