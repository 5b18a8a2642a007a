/// A message of a conversation.
public struct ChatMessage: Sendable, Hashable {
  /// Who speaks.
  public enum Role: String, Sendable, CaseIterable {
    /// Instructions for the assistant.
    case system
    /// The one who asks.
    case user
    /// The model.
    case assistant
  }

  /// Who speaks.
  public var role: Role
  /// What is said.
  public var content: String

  /// Makes a message.
  public init(role: Role, content: String) {
    self.role = role
    self.content = content
  }
}

/// A chat format: how a conversation is written as one text. Jinja is recognised, never executed.
public struct ChatTemplate: Sendable, Hashable {
  /// The formats that are known.
  public enum Format: String, Sendable, CaseIterable {
    /// `<|im_start|>role … <|im_end|>`: SmolLM2, Qwen and many others.
    case chatML = "chatml"
    /// `[INST] <<SYS>> … [/INST]`.
    case llama2
    /// `<|start_header_id|>role<|end_header_id|> … <|eot_id|>`.
    case llama3
    /// `[INST] … [/INST]` without a system part of its own.
    case mistral
    /// `<|user|> … </s>`: TinyLlama and other children of Zephyr.
    case zephyr
    /// `### Instruction: … ### Response:`.
    case alpaca
    /// The contents, one after the other.
    case plain
  }

  /// The format.
  public var format: Format
  /// What a conversation starts with when it has no system message of its own.
  public var defaultSystem: String?

  /// Makes a template.
  public init(_ format: Format, defaultSystem: String? = nil) {
    self.format = format
    self.defaultSystem = defaultSystem
  }

  /// The names that `named` knows.
  public static var allNames: [String] { Format.allCases.map(\.rawValue) }

  /// The template called `name`, nil when there is none.
  public static func named(_ name: String) -> ChatTemplate? { Format(rawValue: name).map { ChatTemplate($0) } }

  /// Text at which an answer ends, where a model does not say so with an end-of-text token.
  public var stopStrings: [String] {
    switch format {
    case .chatML: ["<|im_end|>"]
    case .llama2, .mistral: ["</s>", "[INST]"]
    case .llama3: ["<|eot_id|>", "<|end_of_text|>"]
    case .zephyr: ["</s>", "<|user|>"]
    case .alpaca: ["### Instruction:", "\n### "]
    case .plain: []
    }
  }

  /// The conversation as text: control pieces are the template's own, the others are contents and may hold no special
  /// tokens. A beginning-of-text token is not written; `Tokenizer.encode` adds it where the model wants one.
  ///
  /// - Parameter addGenerationPrompt: whether the text ends where the assistant's answer begins.
  public func prompt(messages: [ChatMessage], addGenerationPrompt: Bool) -> [PromptPiece] {
    var conversation = messages
    if let defaultSystem, messages.first?.role != .system {
      conversation.insert(ChatMessage(role: .system, content: defaultSystem), at: 0)
    }
    var pieces: [PromptPiece] = []
    switch format {
    case .chatML: writeChatML(conversation, addGenerationPrompt, &pieces)
    case .llama2, .mistral: writeInstructions(conversation, &pieces)
    case .llama3: writeLlama3(conversation, addGenerationPrompt, &pieces)
    case .zephyr: writeZephyr(conversation, addGenerationPrompt, &pieces)
    case .alpaca: writeAlpaca(conversation, addGenerationPrompt, &pieces)
    case .plain: pieces = conversation.map { PromptPiece($0.content, isControl: false) }
    }
    return pieces
  }

  private func writeChatML(_ messages: [ChatMessage], _ generates: Bool, _ pieces: inout [PromptPiece]) {
    for message in messages {
      pieces.control("<|im_start|>\(message.role.rawValue)\n")
      pieces.content(message.content)
      pieces.control("<|im_end|>\n")
    }
    if generates { pieces.control("<|im_start|>assistant\n") }
  }

  private func writeLlama3(_ messages: [ChatMessage], _ generates: Bool, _ pieces: inout [PromptPiece]) {
    for message in messages {
      pieces.control("<|start_header_id|>\(message.role.rawValue)<|end_header_id|>\n\n")
      pieces.content(message.content.trimmed)
      pieces.control("<|eot_id|>")
    }
    if generates { pieces.control("<|start_header_id|>assistant<|end_header_id|>\n\n") }
  }

  private func writeZephyr(_ messages: [ChatMessage], _ generates: Bool, _ pieces: inout [PromptPiece]) {
    for message in messages {
      pieces.control("<|\(message.role.rawValue)|>\n")
      pieces.content(message.content)
      pieces.control("</s>\n")
    }
    if generates { pieces.control("<|assistant|>\n") }
  }

  private func writeAlpaca(_ messages: [ChatMessage], _ generates: Bool, _ pieces: inout [PromptPiece]) {
    for message in messages {
      switch message.role {
      case .system: break
      case .user: pieces.control("### Instruction:\n")
      case .assistant: pieces.control("### Response:\n")
      }
      pieces.content(message.content)
      pieces.control("\n\n")
    }
    if generates { pieces.control("### Response:\n") }
  }

  /// Llama 2 and Mistral: turns between [INST] and [/INST], the system message inside the first one.
  private func writeInstructions(_ messages: [ChatMessage], _ pieces: inout [PromptPiece]) {
    var system: String?
    var isFirst = true
    for message in messages {
      switch message.role {
      case .system: system = message.content
      case .user:
        pieces.control((isFirst || format == .mistral ? "" : "<s>") + "[INST] ")
        if let text = system { writeSystem(text, &pieces) }
        pieces.content(message.content.trimmed)
        pieces.control(" [/INST]")
        (system, isFirst) = (nil, false)
      case .assistant:
        pieces.content(" " + message.content.trimmed)
        pieces.control(format == .llama2 ? " </s>" : "</s>")
      }
    }
  }

  private func writeSystem(_ text: String, _ pieces: inout [PromptPiece]) {
    if format == .llama2 { pieces.control("<<SYS>>\n") }
    pieces.content(text)
    pieces.control(format == .llama2 ? "\n<</SYS>>\n\n" : "\n\n")
  }
}

extension [PromptPiece] {
  fileprivate mutating func control(_ text: String) { append(PromptPiece(text, isControl: true)) }
  fileprivate mutating func content(_ text: String) { append(PromptPiece(text, isControl: false)) }
}

extension String {
  /// The text without white space at both ends.
  fileprivate var trimmed: String {
    let start = drop { $0.isWhitespace }
    guard let end = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...end])
  }
}
