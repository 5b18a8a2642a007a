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

  /// A question, up to where the answer begins.
  func tokens(asking question: String) -> [Int32] {
    let message = ChatMessage(role: .user, content: question)
    let pieces = try? template?.prompt(messages: [message], addGenerationPrompt: true)
    return tokenizer.encode(pieces ?? [PromptPiece(question, isControl: false)])
  }
}
