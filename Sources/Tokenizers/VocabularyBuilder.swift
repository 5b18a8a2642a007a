import Tensors

/// The vocabulary of a tokenizer.json or vocab.json: spellings and their ids, gaps allowed.
struct VocabularyBuilder {
  private var spellings: [Int32: [UInt8]] = [:]
  private var ids: [[UInt8]: Int32] = [:]
  private var end: Int32 = 0
  /// Gaps are allowed, but not so many that a small file makes a large vocabulary.
  private let limit: Int

  /// Reads the members of a JSON object that maps spellings to ids.
  init(_ members: [JSONTree.Member]?, key: String) throws(LMToolError) {
    guard let members, !members.isEmpty, members.count <= TokenizerDefinition.Limit.tokens else {
      throw .tokenizer("there is no vocabulary, or it is too large", rule: 1, at: .key(key))
    }
    limit = min(2 * members.count + 1 << 18, TokenizerDefinition.Limit.tokens)
    ids.reserveCapacity(members.count)
    spellings.reserveCapacity(members.count)
    for member in members {
      guard let id = member.value.id else {
        throw .tokenizer("token \(printable(member.key)) has no id", rule: 2, at: .key(key))
      }
      guard ids[member.key] == nil else {
        throw .tokenizer("token \(printable(member.key)) is there twice", rule: 2, at: .key(key))
      }
      try add(member.key, id)
    }
  }

  private func printable(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).printable }

  /// Adds a token, unless it is there already with the same id.
  mutating func add(_ spelling: [UInt8], _ id: Int32) throws(LMToolError) {
    guard id >= 0, id < limit else {
      throw .tokenizer("the id \(id) of token \(printable(spelling)) is out of range", rule: 2)
    }
    if let known = ids[spelling], known != id {
      throw .tokenizer("token \(printable(spelling)) has two ids, \(known) and \(id)", rule: 2)
    }
    if let known = spellings[id], known != spelling {
      throw .tokenizer("the id \(id) has two tokens, \(printable(known)) and \(printable(spelling))", rule: 2)
    }
    ids[spelling] = id
    spellings[id] = spelling
    end = max(end, id + 1)
  }

  /// The id of a token by its spelling in the file.
  func id(of spelling: [UInt8]) -> Int32? { ids[spelling] }

  /// The merges of a JSON array, written "a b" or ["a", "b"].
  func merges(_ entries: [JSONTree]) throws(LMToolError) -> [Merge] {
    guard entries.count <= TokenizerDefinition.Limit.merges else {
      throw .tokenizer("there are more than \(TokenizerDefinition.Limit.merges) merges", rule: 1)
    }
    var merges: [Merge] = []
    merges.reserveCapacity(entries.count)
    for (rank, entry) in entries.enumerated() {
      if let line = entry.bytes {
        merges.append(try merge(line[...], rank))
      } else if let pair = entry.array, pair.count == 2, let left = pair[0].bytes, let right = pair[1].bytes {
        merges.append(try merge(left, right, rank))
      } else {
        throw .tokenizer("merge \(rank) is neither \"a b\" nor [\"a\", \"b\"]", rule: 4)
      }
    }
    return merges
  }

  /// The merge of a line "a b".
  func merge(_ line: ArraySlice<UInt8>, _ rank: Int) throws(LMToolError) -> Merge {
    guard let space = line.firstIndex(of: UInt8(ascii: " ")), line[(space + 1)...].firstIndex(of: UInt8(ascii: " ")) == nil else {
      throw .tokenizer("merge \(rank) is not two tokens with a space between them", rule: 4)
    }
    return try merge(Array(line[..<space]), Array(line[(space + 1)...]), rank)
  }

  private func merge(_ left: [UInt8], _ right: [UInt8], _ rank: Int) throws(LMToolError) -> Merge {
    guard let leftID = ids[left], let rightID = ids[right], let result = ids[left + right] else {
      throw .tokenizer(
        "merge \(rank), \(printable(left)) and \(printable(right)), has a part or a result that is no token", rule: 4)
    }
    return Merge(left: leftID, right: rightID, result: result)
  }

  /// The tokens in id order, with their types; gaps are unused tokens without a spelling.
  func vocabulary(
    _ model: TokenizerDefinition.Model, added: [AddedToken], unknown: Int32?
  ) throws(LMToolError) -> Vocabulary {
    let special = Dictionary(added.map { ($0.id, $0.isSpecial) }) { first, _ in first }
    var vocabulary = Vocabulary()
    vocabulary.reserveCapacity(tokens: Int(end), bytes: Int(end) * 8)
    for id in 0..<end {
      let spelling = spellings[id] ?? []
      let (bytes, type) = token(spelling, model, isSpecial: special[id], isUnknown: id == unknown)
      guard vocabulary.bytes.count + bytes.count <= TokenizerDefinition.Limit.vocabularyBytes else {
        throw .tokenizer("its tokens have more than \(TokenizerDefinition.Limit.vocabularyBytes) bytes in all", rule: 1)
      }
      vocabulary.append(bytes, type: type)
    }
    return vocabulary
  }

  private func token(
    _ spelling: [UInt8], _ model: TokenizerDefinition.Model, isSpecial: Bool?, isUnknown: Bool
  ) -> (bytes: [UInt8], type: TokenType) {
    if spelling.isEmpty { return ([], .unused) }
    switch model {
    case .byteLevel:
      if let isSpecial { return (spelling, isUnknown && isSpecial ? .unknown : isSpecial ? .control : .userDefined) }
      // No text becomes a token with a character outside the alphabet.
      return ByteAlphabet.decode(spelling).map { ($0, .normal) } ?? (spelling, .unused)
    case .sentencePiece(let rules):
      if isUnknown { return (spelling, .unknown) }
      if let isSpecial { return (spelling, isSpecial ? .control : .userDefined) }
      return (spelling, rules.byteFallback && byteOfFallbackToken(spelling) != nil ? .byte : .normal)
    }
  }
}
