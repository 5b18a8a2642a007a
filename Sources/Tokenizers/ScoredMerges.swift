/// The merges that scores imply: any two symbols that spell a piece become it, the best-scored piece first.
///
/// A character that pieces contain without being a piece itself gets a symbol of its own, because SentencePiece merges
/// by spelling: two unknown characters may well become a known piece.
struct ScoredMerges {
  private(set) var extraCharacters: [[UInt8]] = []
  private(set) var extraSymbols: [[UInt8]: Int32] = [:]
  private let definition: TokenizerDefinition
  private let pieces: TokenLookup
  private var merges: [(left: Int32, right: Int32, result: Int32)] = []

  init(_ definition: TokenizerDefinition, _ pieces: TokenLookup) {
    self.definition = definition
    self.pieces = pieces
  }

  /// Finds all ways to split each piece in two symbols.
  mutating func collect() {
    let vocabulary = definition.vocabulary
    vocabulary.bytes.withUnsafeBytes { all in
      for id in 0..<vocabulary.count where vocabulary.type(of: id) == .normal {
        split(UnsafeRawBufferPointer(rebasing: all[vocabulary.range(of: id)]), Int32(id))
      }
    }
  }

  private mutating func split(_ piece: UnsafeRawBufferPointer, _ id: Int32) {
    var offset = piece.isEmpty ? 0 : piece.characterLength(at: 0)
    while offset < piece.count {
      let left = UnsafeRawBufferPointer(rebasing: piece[..<offset])
      let right = UnsafeRawBufferPointer(rebasing: piece[offset...])
      if let left = symbol(of: left), let right = symbol(of: right) { merges.append((left, right, id)) }
      offset += piece.characterLength(at: offset)
    }
  }

  private mutating func symbol(of part: UnsafeRawBufferPointer) -> Int32? {
    if let id = pieces.id(of: part) { return definition.vocabulary.type(of: Int(id)) == .normal ? id : nil }
    guard part.characterLength(at: 0) == part.count else { return nil }
    let character = Array(part)
    if let known = extraSymbols[character] { return known }
    let symbol = Int32(definition.vocabularySize + extraCharacters.count)
    extraSymbols[character] = symbol
    extraCharacters.append(character)
    return symbol
  }

  /// The table of the merges: pieces of equal score have equal rank, so that the leftmost of them goes first.
  func table() -> PairTable {
    let distinct = Set(merges.map { definition.scores[Int($0.result)] }).sorted(by: >)
    let ranks = Dictionary(uniqueKeysWithValues: zip(distinct, UInt32(0)...))
    return PairTable(count: merges.count) { insert in
      for merge in merges { insert(merge.left, merge.right, ranks[definition.scores[Int(merge.result)]] ?? 0, merge.result) }
    }
  }

  /// The merges in the order in which a table by rank must have them, as Hugging Face's converter writes them: by score,
  /// then by the ids of the parts. Merges of characters that are no pieces are left out.
  func ranked() -> [Merge] {
    let size = Int32(definition.vocabularySize)
    return merges.filter { $0.left < size && $0.right < size }
      .map { Merge(left: $0.left, right: $0.right, result: $0.result) }
      .sorted { a, b in
        let (first, second) = (definition.scores[Int(a.result)], definition.scores[Int(b.result)])
        return first != second ? first > second : (a.result, a.left, a.right) < (b.result, b.left, b.right)
      }
  }
}
