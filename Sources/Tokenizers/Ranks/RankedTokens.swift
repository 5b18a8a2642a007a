import Tensors

/// Tokens in the order of their ranks, from which merges follow: the two symbols side by side whose joint token has the
/// lowest rank become it (TOK-14).
struct RankedTokens {
  /// The tokens by rank.
  private(set) var tokens: [[UInt8]] = []

  /// Adds the token of the next rank.
  ///
  /// - Throws: TOK-1 for too many tokens, or too many bytes.
  mutating func append(_ token: [UInt8]) throws(LMToolError) {
    typealias Limit = TokenizerDefinition.Limit
    guard tokens.count < Limit.tokens, !token.isEmpty, token.count <= Limit.tokenBytes else {
      throw .tokenizer("token \(tokens.count) is empty or too long, or there are too many", rule: 1)
    }
    tokens.append(token)
  }

  /// The tokenizer with these tokens from the id `first` on.
  ///
  /// - Parameter special: further tokens, by id.
  func definition(
    _ rules: ByteLevelRules, first: Int, special: [(id: Int, spelling: String, isControl: Bool)]
  ) throws(LMToolError) -> TokenizerDefinition {
    let size = max(first + tokens.count, (special.map(\.id).max() ?? -1) + 1)
    guard size <= 2 * tokens.count + 1 << 18, size <= TokenizerDefinition.Limit.tokens else {
      throw .tokenizer("the ids of special tokens are out of range", rule: 2)
    }
    var spellings = [(bytes: [UInt8], type: TokenType)](repeating: ([], .unused), count: size)
    for (rank, token) in tokens.enumerated() { spellings[first + rank] = (token, .normal) }
    for token in special {
      guard token.id >= 0, spellings[token.id].type == .unused, !token.spelling.isEmpty else {
        throw .tokenizer("the id \(token.id) of a special token is taken, or the token is empty", rule: 2)
      }
      spellings[token.id] = (Array(token.spelling.utf8), token.isControl ? .control : .userDefined)
    }
    var vocabulary = Vocabulary()
    for (bytes, type) in spellings { vocabulary.append(bytes, type: type) }
    let added = special.map { AddedToken(id: Int32($0.id), isSpecial: $0.isControl) }
    return TokenizerDefinition(
      model: .byteLevel(rules), vocabulary: vocabulary, merges: try merges(vocabulary, first: first), added: added)
  }

  /// All ways to split each token in two tokens, by the ranks of result, left and right, as transformers' converter has them.
  private func merges(_ vocabulary: Vocabulary, first: Int) throws(LMToolError) -> [Merge] {
    let lookup = try TokenLookup(vocabulary, types: [.normal])
    var merges: [Merge] = []
    for (rank, token) in tokens.enumerated() {
      var splits: [Merge] = []
      for cut in 1..<max(token.count, 1) {
        guard let left = lookup.id(of: token[..<cut]), let right = lookup.id(of: token[cut...]) else { continue }
        splits.append(Merge(left: left, right: right, result: Int32(first + rank)))
      }
      merges += splits.sorted { ($0.left, $0.right) < ($1.left, $1.right) }
      guard merges.count <= TokenizerDefinition.Limit.merges else { throw .tokenizer("there are too many merges", rule: 1) }
    }
    return merges
  }
}
