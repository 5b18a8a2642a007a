import Tensors

/// The unigram model of a tokenizer.json: pieces with their scores, in the order of their ids (TOK-17).
struct UnigramJSON {
  private let tree: JSONTree
  private let model: JSONTree

  init(_ tree: JSONTree, _ model: JSONTree) {
    self.tree = tree
    self.model = model
  }

  func definition() throws(LMToolError) -> TokenizerDefinition {
    let parts = try TokenizerJSONRules(tree).model(model)
    guard case .sentencePiece(var rules) = parts.rules else {
      throw .unsupported("pre_tokenizer", "ByteLevel")
    }
    rules.isUnigram = true
    rules.fusesUnknown = true
    let (members, scores) = try pieces()
    var words = try VocabularyBuilder(members, key: "model.vocab")
    let added = try TokenizerJSONReader(tree).addedTokens(&words)
    let unknown = model["unk_id"]?.id
    guard unknown.map({ $0 >= 0 && $0 < scores.count }) ?? true else {
      throw .tokenizer("the unknown token is not in the vocabulary", rule: 3, at: .key("model.unk_id"))
    }
    var definition = TokenizerDefinition(
      model: .sentencePiece(rules), vocabulary: try words.vocabulary(.sentencePiece(rules), added: added, unknown: unknown),
      added: added)
    definition.scores = scores + [Float](repeating: 0, count: definition.vocabularySize - scores.count)
    definition.normalizers = parts.normalizers
    definition.unknown = unknown
    try TokenizerJSONTemplate(tree["post_processor"], words).apply(to: &definition)
    try definition.validate()
    return definition
  }

  private func pieces() throws(LMToolError) -> (members: [JSONTree.Member], scores: [Float]) {
    var members: [JSONTree.Member] = []
    var scores: [Float] = []
    for entry in model["vocab"]?.array ?? [] {
      guard let pair = entry.array, pair.count == 2, let piece = pair[0].bytes, let score = pair[1].double else {
        throw .tokenizer("piece \(scores.count) is not a text and a score", rule: 17, at: .key("model.vocab"))
      }
      members.append(.init(key: piece, value: .integer(scores.count)))
      scores.append(Float(score))
    }
    return (members, scores)
  }
}
