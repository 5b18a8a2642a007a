import Tensors
import Tokenizers

/// A conversation of a file of examples, in any of the forms that are common.
enum Conversation {
  /// The messages of one line of JSON.
  ///
  /// - Throws: `badInput` when it is no JSON object, or of no form that is known.
  static func messages(of line: UnsafeRawBufferPointer) throws(LMToolError) -> [ChatMessage] {
    let value = try decodeJSON(JSONValue.self, bytes: line)
    let found =
      turns(value["messages"], role: "role", content: "content") ?? turns(value["conversations"], role: "from", content: "value")
      ?? turns(value["conversation"], role: "role", content: "content")
      ?? exchange(value, asked: ["instruction", "question", "prompt"], answered: ["output", "answer", "response", "completion"])
    guard let found, !found.isEmpty else {
      throw LMToolError(
        .badInput,
        "it is no conversation of a known form: messages with role and content, conversations with from and value, "
          + "instruction and output, question and answer, or text")
    }
    return found
  }

  /// What a line is: a conversation, or an object whose `text` is a text.
  ///
  /// - Throws: as `messages`.
  static func example(of line: UnsafeRawBufferPointer) throws(LMToolError) -> Example {
    if let text = try decodeJSON(JSONValue.self, bytes: line)["text"]?.string { return .text(text) }
    return .conversation(try messages(of: line))
  }

  /// What a line of a file of examples is.
  enum Example {
    /// Words of several.
    case conversation([ChatMessage])
    /// A text as it is.
    case text(String)
  }

  private static func turns(_ list: JSONValue?, role: String, content: String) -> [ChatMessage]? {
    guard let list = list?.array else { return nil }
    return list.compactMap { turn in
      guard let role = turn[role]?.string.flatMap(Self.role), let content = turn[content]?.string else { return nil }
      return ChatMessage(role: role, content: content)
    }
  }

  /// Who speaks under a name; nil for tools and others whose words no chat format has a place for.
  private static func role(_ name: String) -> ChatMessage.Role? {
    switch name {
    case "system": .system
    case "user", "human": .user
    case "assistant", "gpt", "model", "chatgpt", "bot": .assistant
    default: nil
    }
  }

  private static func exchange(_ value: JSONValue, asked: [String], answered: [String]) -> [ChatMessage]? {
    guard let question = asked.lazy.compactMap({ value[$0]?.string }).first,
      let answer = answered.lazy.compactMap({ value[$0]?.string }).first
    else { return nil }
    let input = value["input"]?.string ?? ""
    return [
      ChatMessage(role: .user, content: input.isEmpty ? question : question + "\n\n" + input),
      ChatMessage(role: .assistant, content: answer),
    ]
  }
}
