/// The chat formats of families that ship no template, and of those that share a common one, as Jinja.
enum BuiltInTemplate: String, CaseIterable {
  /// `<|im_start|>role … <|im_end|>`: Qwen, SmolLM and many others.
  case chatML = "chatml"
  /// `[INST] <<SYS>> … [/INST]`.
  case llama2
  /// `<|start_header_id|>role<|end_header_id|> … <|eot_id|>`.
  case llama3
  /// `[INST] … [/INST]` without a system part of its own.
  case mistral
  /// `<start_of_turn>user … <end_of_turn>`.
  case gemma
  /// `<|user|> … <|end|>`.
  case phi3
  /// `Instruct: … Output:`, as Phi-2 was shown.
  case phi2
  /// `<|user|> … </s>`: TinyLlama and other children of Zephyr.
  case zephyr
  /// Alpaca and what was made with its data, ColossalChat among them.
  case alpaca
  /// Dolly 1 and 2: Alpaca's words, and `### End`.
  case dolly
  /// `<|prompter|> … <|assistant|>`.
  case openAssistant = "openassistant"
  /// `<human>: … <bot>:`.
  case openChatKit = "openchatkit"
  /// `USER: … ASSISTANT:`, version 1.1.
  case vicuna
  /// The contents, one after the other.
  case plain

  /// Where answers end, for formats whose ends are words and no tokens.
  var stopStrings: [String] {
    switch self {
    case .alpaca: ["### Instruction:", "\n### "]
    case .dolly: ["### End", "### Instruction:"]
    case .openChatKit: ["<human>:"]
    case .vicuna: ["</s>", "USER:"]
    case .phi2: ["\nInstruct:"]
    case .llama2, .mistral: ["</s>", "[INST]"]
    case .zephyr: ["</s>", "<|user|>"]
    case .openAssistant: ["<|endoftext|>", "</s>", "<|prompter|>"]
    case .chatML, .llama3, .gemma, .phi3, .plain: []
    }
  }

  /// Whether a tokenizer has tokens that only models of this format have.
  func isSure(for tokenizer: TokenizerDefinition) -> Bool {
    let tokens: [String]
    switch self {
    case .openAssistant: tokens = ["<|prompter|>", "<|assistant|>"]
    case .dolly: tokens = ["### End", "### Instruction:", "### Response:"]
    default: return false
    }
    return tokens.allSatisfy { tokenizer.specialToken(spelled: $0) != nil }
  }

  /// The template.
  var jinja: String {
    switch self {
    case .chatML:
      """
      {% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}\
      {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
      """
    case .llama2: Self.instructions(system: "'<<SYS>>\n' + text + '\n<</SYS>>\n\n'", answerEnd: " ", startsAnew: true)
    case .mistral: Self.instructions(system: "text + '\n\n'", answerEnd: "", startsAnew: false)
    case .llama3:
      """
      {{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}\
      {{ message.content | trim }}<|eot_id|>{% endfor %}\
      {% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
      """
    case .gemma:
      """
      {{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
      {% for message in messages %}{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}\
      {{ message.content | trim }}{{ '<end_of_turn>\n' }}{% endfor %}\
      {% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
      """
    case .phi3:
      """
      {% for message in messages %}{{ '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}{% endfor %}\
      {% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}
      """
    case .phi2:
      """
      {% for message in messages %}{% if message.role == 'user' %}{{ 'Instruct: ' + message.content + '\nOutput:' }}\
      {% elif message.role == 'assistant' %}{{ ' ' + message.content + '\n' }}{% else %}{{ message.content + '\n\n' }}{% endif %}{% endfor %}
      """
    case .zephyr:
      """
      {% for message in messages %}{{ '<|' + message.role + '|>\n' + message.content + '</s>\n' }}{% endfor %}\
      {% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}
      """
    case .alpaca: Self.tasks(answerEnd: "'\n\n'")
    case .dolly: Self.tasks(answerEnd: "'\n\n### End\n\n'")
    case .openAssistant:
      """
      {% for message in messages %}{{ '<|' + {'user': 'prompter'}.get(message.role, message.role) + '|>' + message.content ~ eos_token }}{% endfor %}\
      {% if add_generation_prompt %}<|assistant|>{% endif %}
      """
    case .openChatKit:
      """
      {% for message in messages %}{% set speaker = {'user': '<human>: ', 'assistant': '<bot>: '}.get(message.role, '') %}\
      {{ speaker + message.content + '\n' }}{% endfor %}{% if add_generation_prompt %}<bot>:{% endif %}
      """
    case .vicuna:
      """
      {{ bos_token }}{% if messages[0].role != 'system' %}A chat between a curious user and an artificial intelligence assistant. \
      The assistant gives helpful, detailed, and polite answers to the user's questions. {% endif %}\
      {% for message in messages %}{% if message.role == 'user' %}{{ 'USER: ' + message.content + ' ' }}\
      {% elif message.role == 'assistant' %}{{ 'ASSISTANT: ' + message.content + '</s>' }}\
      {% else %}{{ message.content + ' ' }}{% endif %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}
      """
    case .plain: "{% for message in messages %}{{ message.content }}{% endfor %}"
    }
  }

  /// Turns between [INST] and [/INST], the system message inside the first one.
  private static func instructions(system: String, answerEnd: String, startsAnew: Bool) -> String {
    """
    {% set state = namespace(system='') %}{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}\
    {% set text = message.content %}{% set state.system = \(system) %}{% elif message.role == 'user' %}\
    {% if \(startsAnew) and not loop.first and loop.previtem.role == 'assistant' %}<s>{% endif %}\
    {{ '[INST] ' + state.system }}{{ message.content | trim }}{{ ' [/INST]' }}{% set state.system = '' %}\
    {% else %}{{ ' ' }}{{ message.content | trim }}\(answerEnd)</s>{% endif %}{% endfor %}
    """
  }

  /// Alpaca's words before a task, which a system message replaces, and its headings.
  private static func tasks(answerEnd: String) -> String {
    """
    {% if messages[0].role != 'system' %}{{ 'Below is an instruction that describes a task. Write a response that appropriately \
    completes the request.\n\n' }}{% endif %}{% for message in messages %}\
    {% if message.role == 'user' %}{{ '### Instruction:\n' + message.content + '\n\n' }}\
    {% elif message.role == 'assistant' %}{{ '### Response:\n' + message.content + \(answerEnd) }}\
    {% else %}{{ message.content + '\n\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}
    """
  }
}
