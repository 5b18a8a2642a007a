import Tensors

extension TokenizerDefinition {
  /// Reads a Hugging Face `tokenizer.json`.
  ///
  /// - Throws: `badInput` that names what is broken, or what kind of tokenizer it is that is not read.
  public static func read(tokenizerJSON path: String) throws(LMToolError) -> TokenizerDefinition {
    let tree = try JSONTree.read(path: path)
    do throws(LMToolError) {
      return try TokenizerJSONReader(tree).definition()
    } catch {
      throw error.within(file: path)
    }
  }
}

/// Reads the parts of a tokenizer.json one by one.
struct TokenizerJSONReader {
  let tree: JSONTree
  private let model: JSONTree

  init(_ tree: JSONTree) throws(LMToolError) {
    self.tree = tree
    guard let model = tree["model"] else { throw .unsupported("model", "none") }
    self.model = model
  }

  func definition() throws(LMToolError) -> TokenizerDefinition {
    // Files from before 2020 have no "type"; they are BPE when there are merges.
    let type = model["type"]?.text ?? (model["merges"] == nil ? "none" : "BPE")
    if type == "Unigram" { return try UnigramJSON(tree, model).definition() }
    guard type == "BPE" else { throw .unsupported("model", type) }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] where !(model[key]?.bytes ?? []).isEmpty {
      throw .unsupported("model.\(key)", model[key]?.text ?? "")
    }
    if let dropout = model["dropout"]?.double, dropout > 0 { throw .unsupported("model.dropout", "\(dropout)") }
    let rules = try TokenizerJSONRules(tree).model(model)
    return try definition(rules.rules, rules.normalizers)
  }

  private func definition(
    _ rules: TokenizerDefinition.Model, _ normalizers: [TextNormalizer]
  ) throws(LMToolError) -> TokenizerDefinition {
    var words = try VocabularyBuilder(model["vocab"]?.members, key: "model.vocab")
    let added = try addedTokens(&words)
    let unknown = try unknownToken(words)
    let merges = try words.merges(model["merges"]?.array ?? [])
    var definition = TokenizerDefinition(
      model: rules, vocabulary: try words.vocabulary(rules, added: added, unknown: unknown), merges: merges, added: added)
    definition.normalizers = normalizers
    definition.unknown = unknown
    try TokenizerJSONTemplate(tree["post_processor"], words).apply(to: &definition)
    try definition.validate()
    return definition
  }

  private func unknownToken(_ words: VocabularyBuilder) throws(LMToolError) -> Int32? {
    guard let name = model["unk_token"]?.bytes else { return nil }
    guard let id = words.id(of: name) else {
      throw .tokenizer("the unknown token is not in the vocabulary", rule: 3, at: .key("model.unk_token"))
    }
    return id
  }

  /// The tokens that are matched as a whole.
  func addedTokens(_ words: inout VocabularyBuilder) throws(LMToolError) -> [AddedToken] {
    var added: [AddedToken] = []
    for entry in tree["added_tokens"]?.array ?? [] {
      guard let id = entry["id"]?.id, let content = entry["content"]?.bytes else {
        throw .tokenizer("an added token has no id or no content", rule: 3, at: .key("added_tokens"))
      }
      try words.add(content, id)
      added.append(
        AddedToken(
          id: id, isSpecial: entry["special"]?.bool ?? false, stripsLeft: entry["lstrip"]?.bool ?? false,
          stripsRight: entry["rstrip"]?.bool ?? false, isSingleWord: entry["single_word"]?.bool ?? false,
          matching: entry["normalized"]?.bool ?? false ? .normalized : .raw))
    }
    return added
  }
}

extension LMToolError {
  /// A part of a tokenizer.json that is of a kind that is not read.
  static func unsupported(_ part: String, _ type: String) -> LMToolError {
    .tokenizer(
      "\(part) is of type \(type.printable), which is not supported; byte-level BPE, SentencePiece-style BPE and unigram are",
      rule: 6,
      at: .key(part))
  }
}
