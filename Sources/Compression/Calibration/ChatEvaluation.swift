import Inference
import Models
import Tensors
import Tokenizers

extension EvaluationText {
  /// The conversations of a file, one JSON object to the line, in the chat format of a model: each a document of its own.
  ///
  /// - Parameter answersOnly: whether only what the assistant says is scored, with the token that ends it: each answer is a document,
  ///   after all that was said before.
  /// - Throws: `usage` when the model has no chat template; `missingInput`; `badInput` when the template cannot be used or refuses a
  ///   conversation, the file is empty, a line is no conversation, or nothing is left to score.
  public init(chats path: String, for source: ModelSource, answersOnly: Bool = false) throws(LMToolError) {
    guard let template = try source.makeChatTemplate() else {
      throw LMToolError(
        .usage, "the model has no chat template, so conversations cannot be written as it reads them; score text with --text",
        file: source.path)
    }
    let file = try ConversationFile(path: path)
    var documents: [Document] = []
    for index in 0..<file.count {
      let messages = try file.messages(index)
      documents += answersOnly ? try Self.answers(messages, template) : [try Self.whole(messages, template)]
    }
    guard !documents.isEmpty else {
      throw LMToolError(.badInput, "the assistant says nothing in these conversations", file: path)
    }
    self.init(documents)
  }

  private static func whole(_ messages: [ChatMessage], _ template: ChatTemplate) throws(LMToolError) -> Document {
    Document(try template.prompt(messages: messages, addGenerationPrompt: false))
  }

  private static func answers(_ messages: [ChatMessage], _ template: ChatTemplate) throws(LMToolError) -> [Document] {
    var documents: [Document] = []
    for index in messages.indices where messages[index].role == .assistant {
      documents.append(
        Document(
          try template.prompt(messages: Array(messages[...index]), addGenerationPrompt: false),
          after: try template.prompt(messages: Array(messages[..<index]), addGenerationPrompt: true)))
    }
    return documents
  }
}
