extension ChatTemplate {
  /// The chat format that a Jinja template writes, by the markers in its text; nil when none is known.
  ///
  /// Where the template carries a system message of its own between ChatML's or Llama 2's markers, as SmolLM2's does,
  /// it becomes the default one.
  public static func recognize(jinja: String) -> ChatTemplate? {
    let format: Format? =
      if jinja.contains("<|im_start|>") {
        .chatML
      } else if jinja.contains("<|start_header_id|>") {
        .llama3
      } else if jinja.contains("[INST]") {
        jinja.contains("<<SYS>>") ? .llama2 : .mistral
      } else if jinja.contains("<|user|>") && jinja.contains("<|assistant|>") {
        .zephyr
      } else if jinja.contains("### Instruction") {
        .alpaca
      } else {
        nil
      }
    return format.map { ChatTemplate($0, defaultSystem: defaultSystem(jinja, $0)) }
  }

  /// The literal text between the start of a system message and its end.
  private static func defaultSystem(_ jinja: String, _ format: Format) -> String? {
    guard format == .chatML else { return nil }
    for start in ["<|im_start|>system\\n", "<|im_start|>system\n"] {
      for candidate in jinja.pieces(after: start, before: "<|im_end|>") where isLiteral(candidate) {
        return candidate.replacing("\\n", with: "\n").replacing("\\'", with: "'")
      }
    }
    return nil
  }

  /// Whether a stretch of Jinja is plain text: no end of the string literal, no expression, no statement.
  private static func isLiteral(_ text: String) -> Bool {
    let plain = text.replacing("\\'", with: "")
    return !text.isEmpty && !plain.contains("'") && !plain.contains("\"") && !plain.contains("{") && !plain.contains("}")
  }
}

extension String {
  /// The stretches that follow each `start`, up to the next `end`.
  fileprivate func pieces(after start: String, before end: String) -> [String] {
    var result: [String] = []
    var rest = self[...]
    while let marker = rest.firstRange(of: start) {
      rest = rest[marker.upperBound...]
      guard let close = rest.firstRange(of: end) else { return result }
      result.append(String(rest[..<close.lowerBound]))
    }
    return result
  }
}
