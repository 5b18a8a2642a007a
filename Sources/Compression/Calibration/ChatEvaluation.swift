import Inference
import Models
import Tensors
import Tokenizers

extension EvaluationText {
  /// The conversations of a file, one JSON object to the line, in the chat format of a model: each a document of its own.
  ///
  /// - Parameter answersOnly: whether only what the assistant says is scored, with the token that ends it: each answer is a document,
  ///   after all that was said before.
  /// - Throws: `usage` when the model has no chat format that is known; `missingInput`; `badInput` when the file is empty, a line is no
  ///   conversation, or nothing is left to score.
  public init(chats path: String, for source: ModelSource, answersOnly: Bool = false) throws(LMToolError) {
    guard let template = ChatFormat.template(of: source) else {
      throw LMToolError(
        .usage,
        source.chatTemplate == nil
          ? "the model has no chat template, so conversations cannot be written as it reads them; score text with --text"
          : "the model's chat template is of no known form, so conversations cannot be written as it reads them",
        file: source.path)
    }
    let file = try ConversationFile(path: path)
    var documents: [Document] = []
    for index in 0..<file.count {
      let messages = try file.messages(index)
      documents += answersOnly ? Self.answers(messages, template) : [Self.whole(messages, template)]
    }
    guard !documents.isEmpty else {
      throw LMToolError(.badInput, "the assistant says nothing in these conversations", file: path)
    }
    self.init(documents)
  }

  private static func whole(_ messages: [ChatMessage], _ template: ChatTemplate) -> Document {
    Document(template.prompt(messages: messages, addGenerationPrompt: false))
  }

  private static func answers(_ messages: [ChatMessage], _ template: ChatTemplate) -> [Document] {
    messages.indices.filter { messages[$0].role == .assistant }.map { index in
      Document(
        template.prompt(messages: Array(messages[...index]), addGenerationPrompt: false),
        after: template.prompt(messages: Array(messages[..<index]), addGenerationPrompt: true))
    }
  }
}
