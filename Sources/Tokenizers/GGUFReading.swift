import Tensors

extension TokenizerDefinition {
  /// The tokenizer of a GGUF file.
  ///
  /// - Throws: `badInput` when the fields contradict each other, or the model or pre-tokenizer is not known.
  public init(gguf fields: GGUFTokenizerFields) throws(LMToolError) {
    guard !fields.tokens.isEmpty, fields.tokens.count <= Limit.tokens else {
      throw .tokenizer("there are no tokens, or too many", rule: 1, at: .key("tokenizer.ggml.tokens"))
    }
    guard fields.types.map({ $0.count == fields.tokens.count }) ?? true,
      fields.scores.map({ $0.count == fields.tokens.count }) ?? true
    else { throw .tokenizer("tokens, scores and token types differ in number", rule: 11, at: .key("tokenizer.ggml.tokens")) }
    switch fields.model {
    case "gpt2": self = try Self.byteLevel(fields)
    case "llama", "t5": self = try Self.sentencePiece(fields)
    default:
      throw .tokenizer(
        "its kind is \(fields.model.printable), which is not supported; gpt2, llama and t5 are", rule: 11,
        at: .key("tokenizer.ggml.model"))
    }
    bos = fields.bos
    unknown = fields.unknown ?? unknown
    padding = fields.padding
    eos = [fields.eos, fields.endOfTurn].compactMap { $0 }
    if eos.count == 2, eos[0] == eos[1] { eos.removeLast() }
    addsBOS = fields.addsBOS ?? (fields.model == "llama") && bos != nil
    addsEOS = (fields.addsEOS ?? (fields.model == "t5")) && fields.eos != nil
    try validate()
  }

  private static func types(_ fields: GGUFTokenizerFields) throws(LMToolError) -> [TokenType] {
    guard let numbers = fields.types else { return [TokenType](repeating: .normal, count: fields.tokens.count) }
    let types = numbers.map { TokenType(rawValue: UInt8(clamping: $0)) ?? .unused }
    guard zip(numbers, types).allSatisfy({ $0 == 0 || $0 == Int32($1.rawValue) }) else {
      throw .tokenizer("a token has an unknown type", rule: 11, at: .key("tokenizer.ggml.token_type"))
    }
    return types
  }

  // MARK: SentencePiece

  private static func sentencePiece(_ fields: GGUFTokenizerFields) throws(LMToolError) -> TokenizerDefinition {
    guard let scores = fields.scores else {
      throw .tokenizer("a SentencePiece tokenizer needs scores", rule: 11, at: .key("tokenizer.ggml.scores"))
    }
    var types = try types(fields)
    var vocabulary = Vocabulary()
    for (id, token) in fields.tokens.enumerated() {
      if fields.types == nil, byteOfFallbackToken(token) != nil { types[id] = .byte }
      vocabulary.append(token, type: token.isEmpty ? .unused : types[id])
    }
    var rules = SentencePieceRules()
    rules.prefix = fields.addsSpacePrefix ?? true ? .always : .never
    rules.stripsPrefix = fields.addsSpacePrefix ?? true
    rules.removesExtraSpaces = fields.removesExtraSpaces ?? false
    rules.byteFallback = types.contains(.byte)
    rules.isUnigram = fields.model == "t5"
    rules.characterMap = rules.isUnigram ? fields.characterMap ?? [] : []
    var definition = TokenizerDefinition(
      model: .sentencePiece(rules), vocabulary: vocabulary, scores: scores, added: .ofPieces(vocabulary))
    definition.unknown = types.firstIndex(of: .unknown).map { Int32($0) }
    return definition
  }

  // MARK: Byte-level

  private static func byteLevel(_ fields: GGUFTokenizerFields) throws(LMToolError) -> TokenizerDefinition {
    let pre = fields.pre ?? "default"
    guard let rules = GGUFPreTokenizers.rules(named: pre) else {
      throw .tokenizer("the pre-tokenizer \(pre.printable) is not known", rule: 11, at: .key("tokenizer.ggml.pre"))
    }
    guard let lines = fields.merges, lines.count <= Limit.merges else {
      throw .tokenizer("there are no merges, or too many", rule: 11, at: .key("tokenizer.ggml.merges"))
    }
    let types = try types(fields)
    var vocabulary = Vocabulary()
    var members: [JSONTree.Member] = []
    for (id, token) in fields.tokens.enumerated() {
      let bytes = types[id] == .normal ? ByteAlphabet.decode(token) : nil
      vocabulary.append(bytes ?? token, type: token.isEmpty || types[id] == .normal && bytes == nil ? .unused : types[id])
      if types[id] == .normal, !token.isEmpty { members.append(.init(key: token, value: .number(Double(id)))) }
    }
    let words = try VocabularyBuilder(members, key: "tokenizer.ggml.tokens")
    return TokenizerDefinition(
      model: .byteLevel(rules), vocabulary: vocabulary, merges: try words.merges(lines.map { .string($0) }),
      added: .ofAddedTokens(vocabulary))
  }
}

extension [AddedToken] {
  /// The added tokens of a byte-level vocabulary, by its types; they are compared with raw text.
  fileprivate static func ofAddedTokens(_ vocabulary: Vocabulary) -> [AddedToken] {
    [AddedToken].ofPieces(vocabulary).map { AddedToken(id: $0.id, isSpecial: $0.isSpecial) }
  }
}
