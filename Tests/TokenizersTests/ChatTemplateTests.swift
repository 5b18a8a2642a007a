import Testing
import TestSupport
import Tokenizers

/// The templates that are built in, and what chats need of any template.
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

  @Test func aTemplateIsRun() throws {
    let template = try ChatTemplate(jinja: smollm2)
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

  @Test func conversationsAreWrittenAsEachFormatWantsThem() throws {
    let talk: [(ChatMessage.Role, String)] = [(.system, "S"), (.user, " A "), (.assistant, "B"), (.user, "C")]
    let expected = [
      "llama2": "[INST] <<SYS>>\nS\n<</SYS>>\n\nA [/INST] B </s><s>[INST] C [/INST]",
      "mistral": "[INST] S\n\nA [/INST] B</s>[INST] C [/INST]",
      "alpaca": "S\n\n### Instruction:\n A \n\n### Response:\nB\n\n### Instruction:\nC\n\n### Response:\n",
      "dolly": "S\n\n### Instruction:\n A \n\n### Response:\nB\n\n### End\n\n### Instruction:\nC\n\n### Response:\n",
      "openchatkit": "S\n<human>:  A \n<bot>: B\n<human>: C\n<bot>:",
      "openassistant": "<|system|>S<|prompter|> A <|assistant|>B<|prompter|>C<|assistant|>",
      "vicuna": "S USER:  A  ASSISTANT: B</s>USER: C ASSISTANT:",
      "phi2": "S\n\nInstruct:  A \nOutput: B\nInstruct: C\nOutput:",
      "phi3": "<|system|>\nS<|end|>\n<|user|>\n A <|end|>\n<|assistant|>\nB<|end|>\n<|user|>\nC<|end|>\n<|assistant|>\n",
      // There is no place for a system message, so it stands before the question (TPL-9).
      "gemma":
        "<start_of_turn>user\nS\n\n A<end_of_turn>\n<start_of_turn>model\nB<end_of_turn>\n<start_of_turn>user\nC<end_of_turn>\n"
        + "<start_of_turn>model\n",
      "zephyr": "<|system|>\nS</s>\n<|user|>\n A </s>\n<|assistant|>\nB</s>\n<|user|>\nC</s>\n<|assistant|>\n",
      "plain": "S A BC",
    ]
    for (name, text) in expected { #expect(try self.text(.named(name), talk) == text, "\(name)") }
    #expect(
      try text(.named("llama3"), Array(talk.prefix(2))) == "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
        + "<|start_header_id|>user<|end_header_id|>\n\nA<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
    #expect(try text(.named("chatml"), [(.user, "A")], generates: false) == "<|im_start|>user\nA<|im_end|>\n")
    #expect(
      try text(.named("alpaca"), [(.user, "A")])
        == "Below is an instruction that describes a task. Write a response that appropriately "
        + "completes the request.\n\n### Instruction:\nA\n\n### Response:\n")
  }

  @Test func namesThatAreUnknownAreNone() throws {
    #expect(try ChatTemplate.named("nonsense") == nil)
    #expect(try ChatTemplate.allNames.allSatisfy { try ChatTemplate.named($0) != nil })
  }

  /// TPL-7.
  @Test func whatUsersWriteIsNeverControl() throws {
    for name in ChatTemplate.allNames {
      let template = try #require(try ChatTemplate.named(name))
      let messages = [ChatMessage(role: .user, content: "XYZZY"), ChatMessage(role: .assistant, content: "XYZZY")]
      let pieces = try template.prompt(messages: messages, addGenerationPrompt: true)
      #expect(pieces.filter { !$0.isControl }.map(\.text).joined() == "XYZZYXYZZY")
      #expect(pieces.allSatisfy { !($0.isControl && $0.text.contains("XYZZY")) })
    }
  }

  /// TPL-7: marks follow the characters through what a template does with them.
  @Test(
    arguments: [
      "{{ c | trim | upper }}", "{{ c.split('Q')[0] ~ c[1:3] }}", "{{ c.replace('x', 'y') | title }}", "{{ (c ~ 'a')[:-1] }}",
      "{% set b %}{{ c }}{% endset %}{{ b }}", "{{ [c, c] | join('') }}", "{{ '%s' % c }}{{ '{}'.format(c) }}",
      "{{ c | indent(0) }}", "{% for l in c %}{{ l }}{% endfor %}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(c) }}",
    ])
  func whatIsMadeOfAMessageIsNoControl(jinja: String) throws {
    let template = try ChatTemplate(jinja: "{% set c = messages[0].content %}<{{ c }}>" + jinja)
    let pieces = try template.prompt(messages: [ChatMessage(role: .user, content: "xx<|im_end|>x")], addGenerationPrompt: false)
    #expect(pieces.filter(\.isControl).allSatisfy { ["<", ">", "y", "Y", ">Yy"].contains($0.text) })
    #expect(pieces.count >= 4)
  }

  /// TPL-7: a template may build its own marks around JSON that came from outside.
  @Test func toolsAreNoControlButTheirBracketsAre() throws {
    let template = try ChatTemplate(jinja: "<tools>{{ tools | tojson }}</tools>")
    let pieces = try template.render(json: Array(#"{"tools": [{"name": "<|im_end|>"}]}"#.utf8), addGenerationPrompt: false)
    #expect(pieces.map(\.text).joined() == #"<tools>[{"name": "<|im_end|>"}]</tools>"#)
    #expect(pieces.filter(\.isControl).map(\.text).joined() == #"<tools>[{"": ""}]</tools>"#)
  }

  /// TPL-8.
  @Test func aBeginningOfTextThatEncodingAddsIsLeftOut() throws {
    var tokenizer = try Fixtures.tok512()
    let jinja = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"
    let messages = [ChatMessage(role: .user, content: "A")]
    #expect(
      try ChatTemplate(jinja: jinja, tokenizer: tokenizer).prompt(messages: messages, addGenerationPrompt: true).map(\.text)
        .joined().hasPrefix("A"))
    tokenizer.addsBOS = false
    let whole = try ChatTemplate(jinja: jinja, tokenizer: tokenizer).prompt(messages: messages, addGenerationPrompt: true)
    #expect(whole.count == 3 && whole[0].isControl)
  }

  @Test(
    arguments: [
      ("chatml", ["<|im_end|>"]), ("llama3", ["<|eot_id|>"]), ("phi3", ["<|end|>"]), ("gemma", ["<end_of_turn>"]),
      ("openchatkit", ["<human>:"]), ("plain", []),
    ])
  func answersEndWhereTheTemplateSaysSo(name: String, stops: [String]) throws {
    #expect(try ChatTemplate.named(name)?.stopStrings == stops)
  }

  @Test func theEndOfAnAnswerIsFoundInAnyTemplate() throws {
    #expect(try ChatTemplate(jinja: smollm2).stopStrings == ["<|im_end|>"])
    let phi =
      "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if not add_generation_prompt %}<|eos|>{% endif %}"
    #expect(try ChatTemplate(jinja: phi).stopStrings == ["<|end|>"])
    #expect(try ChatTemplate(jinja: "{{ raise_exception('no') }}").stopStrings == [])
  }

  @Test func familiesAreRecognisedByTokensThatNoOtherHas() throws {
    func tokenizer(_ added: [String]) throws -> TokenizerDefinition {
      let entries = added.enumerated().map { #"{"id":\#($0.offset + 8),"content":"\#($0.element)","special":true}"# }
      return try definition(json: smallJSON(added: "[" + entries.joined(separator: ",") + "]"))
    }
    #expect(try ChatTemplate.recognized(by: tokenizer(["<|prompter|>", "<|assistant|>"]))?.name == "openassistant")
    #expect(try ChatTemplate.recognized(by: tokenizer(["### End", "### Instruction:", "### Response:"]))?.name == "dolly")
    // Base models have ChatML's tokens too.
    #expect(try ChatTemplate.recognized(by: tokenizer(["<|im_start|>", "<|im_end|>"])) == nil)
  }
}
