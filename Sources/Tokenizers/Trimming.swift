import Tensors

extension TokenizerDefinition {
  /// The tokenizer with fewer tokens (TOK-13): `ids`, what it cannot do without, and the parents of every token that it keeps.
  ///
  /// Tokens keep their order. Every text that round-tripped does so still.
  ///
  /// - Returns: the tokenizer, and the id that each of its tokens had, ascending.
  /// - Throws: `usage` when an id is not in the vocabulary; `badInput` as `Tokenizer.init` does.
  public func trimmed(keeping ids: some Sequence<Int32>) throws(LMToolError) -> (definition: TokenizerDefinition, oldIDs: [Int32])
  {
    let ids = Array(ids)
    if let bad = ids.first(where: { $0 < 0 || $0 >= vocabularySize }) {
      throw LMToolError(.usage, "token \(bad) cannot be kept; the vocabulary has \(vocabularySize) tokens")
    }
    return try trimmed(to: TokenParents(try Tokenizer(self)).closure(of: ids))
  }

  /// The tokenizer with the tokens that `isKept` names, which must be closed as `TokenParents.closure` says.
  public func trimmed(to isKept: [Bool]) throws(LMToolError) -> (definition: TokenizerDefinition, oldIDs: [Int32]) {
    precondition(isKept.count == vocabularySize, "one flag for each token")
    let old = (0..<vocabularySize).filter { isKept[$0] }
    var new = [Int32](repeating: -1, count: vocabularySize)
    for (index, id) in old.enumerated() { new[id] = Int32(index) }
    var vocabulary = Vocabulary()
    for id in old { vocabulary.append(self.vocabulary[id], type: self.vocabulary.type(of: id)) }
    var result = TokenizerDefinition(
      model: model, vocabulary: vocabulary, merges: merges.compactMap { $0.renumbered(new) },
      scores: scores.isEmpty ? [] : old.map { scores[$0] }, added: added.map { $0.renumbered(new) })
    result.bos = bos.map { new[Int($0)] }
    result.eos = eos.map { new[Int($0)] }
    result.unknown = unknown.map { new[Int($0)] }
    result.padding = padding.map { new[Int($0)] }
    (result.addsBOS, result.addsEOS) = (addsBOS, addsEOS)
    try result.validate()
    return (result, old.map { Int32($0) })
  }
}

extension Merge {
  /// The merge among the tokens that are left; nil where one of the three is gone.
  fileprivate func renumbered(_ new: [Int32]) -> Merge? {
    let (left, right, result) = (new[Int(left)], new[Int(right)], new[Int(result)])
    return min(left, right, result) < 0 ? nil : Merge(left: left, right: right, result: result)
  }
}

extension AddedToken {
  fileprivate func renumbered(_ new: [Int32]) -> AddedToken {
    var token = self
    token.id = new[Int(id)]
    return token
  }
}
