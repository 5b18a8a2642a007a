import Tensors

extension TokenizerDefinition {
  /// Whether llama.cpp has no name for the way in which this tokenizer cuts text into words, so that its ids may differ.
  public var lacksGGUFPreTokenizer: Bool {
    guard case .byteLevel(let rules) = model else { return false }
    return GGUFPreTokenizers.name(of: rules) == nil
  }

  /// The fields with which llama.cpp makes the same ids of text.
  ///
  /// A pre-tokenizer that llama.cpp has no name for is called "default", and then its ids may differ; so may those of
  /// a SentencePiece tokenizer that removes extra spaces, and of one that splits words or puts a space in front of the
  /// first stretch only (TOK-11).
  public func ggufFields() throws(LMToolError) -> GGUFTokenizerFields {
    try validate()
    try checkNormalizers()
    var fields = GGUFTokenizerFields(model: "llama", tokens: [])
    fields.types = (0..<vocabularySize).map { Int32(vocabulary.type(of: $0).rawValue) }
    switch model {
    case .byteLevel(let rules): fill(&fields, rules)
    case .sentencePiece(let rules): fill(&fields, rules)
    }
    fields.bos = bos
    fields.eos = eos.first
    fields.endOfTurn = eos.dropFirst().first
    fields.unknown = unknown
    fields.padding = padding
    fields.addsBOS = addsBOS
    fields.addsEOS = addsEOS
    return fields
  }

  /// Refuses what llama.cpp would do otherwise: normalizers other than NFC, and the character map of a BPE model.
  private func checkNormalizers() throws(LMToolError) {
    var problem = normalizers.contains { $0 != .nfc } ? "normalizers other than NFC" : nil
    if case .sentencePiece(let rules) = model, !rules.isUnigram, !rules.characterMap.isEmpty {
      problem = "the character map of a BPE model"
    }
    guard let problem else { return }
    throw LMToolError(.usage, "\(problem) cannot be written as GGUF; export safetensors instead", rule: "TOK-11")
  }

  private func fill(_ fields: inout GGUFTokenizerFields, _ rules: ByteLevelRules) {
    fields.model = "gpt2"
    fields.pre = GGUFPreTokenizers.name(of: rules) ?? "default"
    fields.tokens = (0..<vocabularySize).map { spelling(of: $0) }
    fields.merges = merges.map { spelling(of: Int($0.left)) + [0x20] + spelling(of: Int($0.right)) }
  }

  private func fill(_ fields: inout GGUFTokenizerFields, _ rules: SentencePieceRules) {
    fields.pre = "default"
    fields.tokens = (0..<vocabularySize).map { spelling(of: $0) }
    fields.scores = scores.isEmpty ? rankScores() : scores
    fields.addsSpacePrefix = rules.prefix != .never
    fields.removesExtraSpaces = rules.removesExtraSpaces ? true : nil
    guard rules.isUnigram else { return }
    fields.model = "t5"
    fields.removesExtraSpaces = rules.removesExtraSpaces
    fields.characterMap = rules.characterMap.isEmpty ? nil : rules.characterMap
  }

  /// Scores that put the results of merges in the order of their first merge.
  private func rankScores() -> [Float] {
    var scores = [Float](repeating: 0, count: vocabularySize)
    var next: Float = -1
    for merge in merges where scores[Int(merge.result)] == 0 {
      scores[Int(merge.result)] = next
      next -= 1
    }
    return scores
  }

  /// The spelling of a token in tokenizer.json and GGUF.
  func spelling(of id: Int) -> [UInt8] {
    guard case .byteLevel = model, vocabulary.type(of: id) == .normal else { return Array(vocabulary[id]) }
    return ByteAlphabet.encode(vocabulary[id])
  }
}
