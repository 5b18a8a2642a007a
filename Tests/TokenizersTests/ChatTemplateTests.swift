import Testing
import Tokenizers

/// Chat formats, by their markers and as they are written.
@Suite struct ChatTemplateTests {
  private func text(_ template: ChatTemplate?, _ messages: [(ChatMessage.Role, String)], generates: Bool = true) throws -> String
  {
    let messages = messages.map { ChatMessage(role: $0.0, content: $0.1) }
    return try #require(template).prompt(messages: messages, addGenerationPrompt: generates).map(\.text).joined()
  }

  private let smollm2 = """
    {% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful AI \
    assistant named SmolLM, trained by Hugging Face<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + \
    message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
    """

  @Test func smolLM2sTemplateBringsItsSystemPrompt() throws {
    let template = try #require(ChatTemplate.recognize(jinja: smollm2))
    #expect(template.format == .chatML)
    #expect(template.defaultSystem == "You are a helpful AI assistant named SmolLM, trained by Hugging Face")
    #expect(
      try text(template, [(.user, "Hi")]) == """
        <|im_start|>system
        You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
        <|im_start|>user
        Hi<|im_end|>
        <|im_start|>assistant

        """)
    #expect(try text(template, [(.system, "S"), (.user, "Hi")]).hasPrefix("<|im_start|>system\nS<|im_end|>\n<|im_start|>user"))
  }

  @Test(
    arguments: [
      ("{{ '<|start_header_id|>' }}", .llama3), ("[INST] <<SYS>>", .llama2), ("[INST] {{ x }} [/INST]", .mistral),
      ("<|user|>\n<|assistant|>", .zephyr), ("### Instruction:", .alpaca), ("{{ '<|im_start|>' + message['role'] }}", .chatML),
    ] as [(String, ChatTemplate.Format)])
  func formatsAreRecognisedByTheirMarkers(jinja: String, format: ChatTemplate.Format) {
    #expect(ChatTemplate.recognize(jinja: jinja) == ChatTemplate(format))
  }

  @Test func unknownTemplatesAndNamesAreNone() {
    #expect(ChatTemplate.recognize(jinja: "{{ messages }}") == nil)
    #expect(ChatTemplate.named("nonsense") == nil)
    #expect(ChatTemplate.allNames.allSatisfy { ChatTemplate.named($0) != nil })
  }

  @Test func systemPromptsMadeOfExpressionsAreNotTaken() {
    let jinja = "{{ '<|im_start|>system\\n' + system + '<|im_end|>' }}"
    #expect(ChatTemplate.recognize(jinja: jinja)?.defaultSystem == nil)
  }

  @Test func conversationsAreWrittenAsEachFormatWantsThem() throws {
    let talk: [(ChatMessage.Role, String)] = [(.system, "S"), (.user, " A "), (.assistant, "B"), (.user, "C")]
    #expect(
      try text(.named("llama2"), talk) == "[INST] <<SYS>>\nS\n<</SYS>>\n\nA [/INST] B </s><s>[INST] C [/INST]")
    #expect(try text(.named("mistral"), talk) == "[INST] S\n\nA [/INST] B</s>[INST] C [/INST]")
    #expect(
      try text(.named("llama3"), Array(talk.prefix(2))) == "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
        + "<|start_header_id|>user<|end_header_id|>\n\nA<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
    #expect(try text(.named("zephyr"), [(.user, "A")]) == "<|user|>\nA</s>\n<|assistant|>\n")
    #expect(try text(.named("alpaca"), [(.system, "S"), (.user, "A")]) == "S\n\n### Instruction:\nA\n\n### Response:\n")
    #expect(try text(.named("plain"), [(.user, "A")]) == "A")
    #expect(try text(.named("chatml"), [(.user, "A")], generates: false) == "<|im_start|>user\nA<|im_end|>\n")
  }

  @Test func whatUsersWriteIsNeverControl() throws {
    for name in ChatTemplate.allNames {
      let template = try #require(ChatTemplate.named(name))
      let messages = [ChatMessage(role: .user, content: "XYZZY"), ChatMessage(role: .assistant, content: "XYZZY")]
      let pieces = template.prompt(messages: messages, addGenerationPrompt: true)
      #expect(pieces.filter { $0.text.contains("XYZZY") }.count == 2)
      #expect(pieces.allSatisfy { !($0.isControl && $0.text.contains("XYZZY")) })
    }
  }
}
