import Tensors

/// The tables of a byte-level tokenizer.
final class ByteLevelCore: Sendable {
  let rules: ByteLevelRules
  let splitter: WordSplitter
  let pairs: PairTable
  /// The token of each byte, -1 where there is none and the byte is dropped.
  let byteTokens: [Int32]
  /// The tokens that whole words can be, where the rules ask for it.
  let wholeWords: TokenLookup?

  init(_ definition: TokenizerDefinition, _ rules: ByteLevelRules) throws(LMToolError) {
    self.rules = rules
    splitter = try WordSplitter(rules.steps)
    pairs = PairTable(definition.merges, definition.vocabulary)
    let lookup = try TokenLookup(definition.vocabulary, types: [.normal])
    wholeWords = rules.ignoresMerges ? lookup : nil
    let missing = rules.emitsUnknown ? definition.unknown ?? -1 : -1
    byteTokens = (0...255).map { lookup.id(of: [UInt8($0)]) ?? missing }
  }
}

extension PairTable {
  /// The table of `merges`, less those that would let text become a special token (TOK-7).
  convenience init(_ merges: [Merge], _ vocabulary: Vocabulary) {
    self.init(count: merges.count) { insert in
      for (rank, merge) in merges.enumerated() where vocabulary.type(of: Int(merge.result)) != .control {
        insert(merge.left, merge.right, UInt32(rank), merge.result)
      }
    }
  }
}

/// Encodes stretches of text with a byte-level tokenizer, for one thread.
final class ByteLevelEncoder {
  let core: ByteLevelCore
  private let cutter: WordCutter
  private var merger: SymbolMerger
  private var cache = WordCache()

  init(_ core: ByteLevelCore) {
    self.core = core
    cutter = WordCutter(core.splitter)
    merger = SymbolMerger(pairs: core.pairs)
  }

  /// Appends the ids of `text`, which is normalized and has no added tokens.
  func encode(_ text: UnsafeRawBufferPointer, into ids: inout [Int32]) {
    cutter.forEachWord(of: text, prefixing: core.rules.addsPrefixSpace) { word in
      cache.append(word, to: &ids) { [self] in encodeWord($0, into: &$1) }
    }
  }

  private func encodeWord(_ word: UnsafeRawBufferPointer, into ids: inout [Int32]) {
    if let whole = core.wholeWords?.id(of: word) { return ids.append(whole) }
    merge(word, into: &ids)
  }

  /// Appends the ids that merges alone make of a word.
  func merge(_ word: UnsafeRawBufferPointer, into ids: inout [Int32]) {
    merger.symbols.removeAll(keepingCapacity: true)
    for byte in word where core.byteTokens[Int(byte)] >= 0 { merger.symbols.append(core.byteTokens[Int(byte)]) }
    merger.merge()
    ids.append(contentsOf: merger.symbols)
  }

  /// The last two symbols that became one in `merge`; nil where none did.
  var lastPair: (left: Int32, right: Int32)? { merger.lastPair }
}
