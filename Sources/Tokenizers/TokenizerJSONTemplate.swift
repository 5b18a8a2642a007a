import Tensors

/// Reads the post-processor of a tokenizer.json: the special tokens around a text.
struct TokenizerJSONTemplate {
  private let processor: JSONTree?
  private let words: VocabularyBuilder

  init(_ processor: JSONTree?, _ words: VocabularyBuilder) {
    self.processor = processor
    self.words = words
  }

  func apply(to definition: inout TokenizerDefinition) throws(LMToolError) {
    let steps = processor?["type"]?.text == "Sequence" ? processor?["processors"]?.array ?? [] : [processor].compactMap { $0 }
    for step in steps {
      switch step["type"]?.text {
      case "ByteLevel": break
      case "TemplateProcessing": try apply(step, to: &definition)
      case let type: throw .unsupported("post_processor", type ?? "unknown")
      }
    }
  }

  private func apply(_ template: JSONTree, to definition: inout TokenizerDefinition) throws(LMToolError) {
    var before: [Int32] = []
    var after: [Int32] = []
    var hasText = false
    for part in template["single"]?.array ?? [] {
      if part["Sequence"] != nil {
        hasText = true
      } else if let name = part["SpecialToken"]?["id"] {
        let ids = try tokens(name, template)
        if hasText { after += ids } else { before += ids }
      }
    }
    guard hasText, before.count <= 1, after.count <= 1 else {
      throw .unsupported("post_processor", "TemplateProcessing with more than one token on a side")
    }
    if let bos = before.first { (definition.bos, definition.addsBOS) = (bos, true) }
    if let eos = after.first { (definition.eos, definition.addsEOS) = ([eos], true) }
  }

  private func tokens(_ name: JSONTree, _ template: JSONTree) throws(LMToolError) -> [Int32] {
    let listed = template["special_tokens"]?[name.text ?? ""]?["ids"]?.array?.compactMap(\.id)
    if let listed, !listed.isEmpty { return listed }
    guard let bytes = name.bytes, let id = words.id(of: bytes) else {
      throw .tokenizer("the template names a token that is not there", rule: 3, at: .key("post_processor"))
    }
    return [id]
  }
}
