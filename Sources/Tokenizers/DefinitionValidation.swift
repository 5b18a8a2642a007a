import Tensors

extension TokenizerDefinition {
  /// Checks that all parts refer to each other correctly.
  ///
  /// - Throws: `badInput` that names the rule of `formats/tokenizers.md` that is broken.
  public func validate() throws(LMToolError) {
    try validateLimits()
    try validateSpecials()
    try validateMerges()
    try validateSpelling()
  }

  private func validateLimits() throws(LMToolError) {
    guard vocabularySize > 0, vocabularySize <= Limit.tokens, merges.count <= Limit.merges else {
      throw .tokenizer(
        "it has \(vocabularySize) tokens and \(merges.count) merges; 1 to \(Limit.tokens) tokens and at most "
          + "\(Limit.merges) merges are read", rule: 1)
    }
    guard vocabulary.bytes.count <= Limit.vocabularyBytes else {
      throw .tokenizer("its tokens have more than \(Limit.vocabularyBytes) bytes in all", rule: 1)
    }
    for id in 0..<vocabularySize where vocabulary[id].count > Limit.tokenBytes {
      throw .tokenizer("token \(id) has more than \(Limit.tokenBytes) bytes", rule: 1)
    }
    guard normalizers.count <= Limit.steps else {
      throw .tokenizer("it has more than \(Limit.steps) normalizers", rule: 19)
    }
    guard scores.isEmpty || scores.count == vocabularySize else {
      throw .tokenizer("it has \(scores.count) scores for \(vocabularySize) tokens", rule: 2)
    }
    guard scores.allSatisfy({ $0.isFinite }) else { throw .tokenizer("a score is not a finite number", rule: 2) }
  }

  private func validateSpecials() throws(LMToolError) {
    try check(bos, "beginning-of-text")
    try check(unknown, "unknown")
    try check(padding, "padding")
    for id in eos { try check(id, "end-of-text") }
    for token in added {
      try check(token.id, "added")
      guard !vocabulary[Int(token.id)].isEmpty else { throw .tokenizer("the added token \(token.id) is empty", rule: 3) }
    }
    guard added.reduce(0, { $0 + vocabulary[Int($1.id)].count }) <= Limit.addedBytes else {
      throw .tokenizer("its added tokens have more than \(Limit.addedBytes) bytes in all", rule: 1)
    }
    guard Set(added.map(\.id)).count == added.count else { throw .tokenizer("a token is added twice", rule: 3) }
    guard !addsBOS || bos != nil, !addsEOS || !eos.isEmpty else {
      throw .tokenizer("texts shall start or end with a special token that is not named", rule: 3)
    }
  }

  private func check(_ id: Int32?, _ role: String) throws(LMToolError) {
    guard let id, id < 0 || id >= vocabularySize else { return }
    throw .tokenizer("the \(role) token \(id) is outside the vocabulary of \(vocabularySize) tokens", rule: 3)
  }

  private func validateMerges() throws(LMToolError) {
    let ids = 0..<Int32(vocabularySize)
    for (rank, merge) in merges.enumerated() {
      guard ids.contains(merge.left), ids.contains(merge.right), ids.contains(merge.result) else {
        throw .tokenizer("merge \(rank) names a token outside the vocabulary of \(vocabularySize) tokens", rule: 4)
      }
      guard isJoin(merge) else {
        throw .tokenizer("merge \(rank) does not join its two tokens to its result \(merge.result)", rule: 4)
      }
    }
  }

  private func isJoin(_ merge: Merge) -> Bool {
    let left = vocabulary[Int(merge.left)]
    let right = vocabulary[Int(merge.right)]
    let result = vocabulary[Int(merge.result)]
    return left.count + right.count == result.count && result.starts(with: left)
      && result.suffix(right.count).elementsEqual(right)
  }

  private func validateSpelling() throws(LMToolError) {
    guard case .sentencePiece(let rules) = model else { return }
    _ = try rules.map()
    guard !rules.isUnigram || scores.count == vocabularySize && merges.isEmpty else {
      throw .tokenizer("a unigram model has a score for each token, and no merges", rule: 17)
    }
    for id in 0..<vocabularySize where !vocabulary[id].isValidUTF8 {
      throw .tokenizer("token \(id) is not valid UTF-8", rule: 5)
    }
    for id in 0..<vocabularySize where vocabulary.type(of: id) == .byte && byteOfFallbackToken(vocabulary[id]) == nil {
      throw .tokenizer("token \(id), a byte, is not spelled <0x00> to <0xFF>", rule: 5)
    }
  }
}

extension LMToolError {
  /// An error of a rule of `formats/tokenizers.md`; `message` follows "the tokenizer cannot be used: ".
  static func tokenizer(_ message: String, rule: Int, file: String? = nil, at place: Place? = nil) -> LMToolError {
    LMToolError(.badInput, "the tokenizer cannot be used: " + message, file: file, at: place, rule: "TOK-\(rule)")
  }
}

extension Sequence where Element == UInt8 {
  /// Whether the bytes are well-formed UTF-8.
  var isValidUTF8: Bool {
    var decoder = UTF8()
    var bytes = makeIterator()
    while true {
      switch decoder.decode(&bytes) {
      case .scalarValue: continue
      case .emptyInput: return true
      case .error: return false
      }
    }
  }
}
