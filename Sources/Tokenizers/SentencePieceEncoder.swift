import Tensors

/// The tables of a SentencePiece-style tokenizer.
final class SentencePieceCore: Sendable {
  let rules: SentencePieceRules
  let pairs: PairTable
  let pieces: TokenLookup
  /// The token of each byte, where the rules want bytes for what has no piece and all are there.
  let byteTokens: [Int32]?
  let unknown: Int32
  /// Characters that occur in pieces without being one: their symbols are numbered from `vocabularySize` on.
  let extraCharacters: [[UInt8]]
  private let extraSymbols: [[UInt8]: Int32]
  let vocabularySize: Int32
  /// Whether no piece has a "▁" after another character, so that no merge crosses from one word to the next.
  let mergesStayInWords: Bool
  /// The pieces of a unigram model, which has no pairs.
  let unigram: UnigramTable?

  init(_ definition: TokenizerDefinition, _ rules: SentencePieceRules) throws(LMToolError) {
    self.rules = rules
    vocabularySize = Int32(definition.vocabularySize)
    unknown = definition.unknown ?? -1
    pieces = try TokenLookup(definition.vocabulary, types: [.normal, .userDefined])
    byteTokens = rules.byteFallback ? Self.byteTokens(definition.vocabulary) : nil
    mergesStayInWords = !(0..<definition.vocabularySize).contains { Self.hasInnerMark(definition.vocabulary[$0]) }
    unigram = rules.isUnigram ? UnigramTable(definition, pieces, sumsFloats: !rules.splitsWords) : nil
    if definition.scores.isEmpty || rules.isUnigram {
      pairs = PairTable(definition.merges, definition.vocabulary)
      (extraCharacters, extraSymbols) = ([], [:])
    } else {
      var merges = ScoredMerges(definition, pieces)
      merges.collect()
      pairs = merges.table()
      (extraCharacters, extraSymbols) = (merges.extraCharacters, merges.extraSymbols)
    }
  }

  /// The tokens of the 256 bytes; nil unless all are there.
  static func byteTokens(_ vocabulary: Vocabulary) -> [Int32]? {
    var tokens = [Int32](repeating: -1, count: 256)
    for id in 0..<vocabulary.count where vocabulary.type(of: id) == .byte {
      if let byte = byteOfFallbackToken(vocabulary[id]) { tokens[Int(byte)] = Int32(id) }
    }
    return tokens.contains(-1) ? nil : tokens
  }

  private static func hasInnerMark(_ piece: ArraySlice<UInt8>) -> Bool {
    var rest = piece
    while rest.starts(with: SentencePieceText.mark) { rest = rest.dropFirst(3) }
    return rest.indices.contains { rest[$0...].starts(with: SentencePieceText.mark) }
  }

  /// The symbol of a character: its piece, or its number among the extra ones; -1 where it has neither.
  func symbol(of character: UnsafeRawBufferPointer) -> Int32 {
    if let id = pieces.id(of: character) { return id }
    return extraSymbols.isEmpty ? -1 : extraSymbols[Array(character)] ?? -1
  }
}

/// Encodes stretches of text with a SentencePiece-style tokenizer, for one thread.
final class SentencePieceEncoder {
  let core: SentencePieceCore
  private var merger: SymbolMerger
  private var cache = WordCache()

  init(_ core: SentencePieceCore) {
    self.core = core
    merger = SymbolMerger(pairs: core.pairs)
  }

  /// Appends the ids of `text`, which has its spaces as "▁" and no added tokens.
  func encode(_ text: UnsafeRawBufferPointer, into ids: inout [Int32]) {
    let first = ids.count
    guard core.rules.splitsWords || core.mergesStayInWords && !core.rules.ignoresMerges && core.unigram == nil else {
      encodeWord(text, into: &ids)
      return fuseUnknown(&ids, from: first)
    }
    forEachWord(of: text) { word in cache.append(word, to: &ids) { [self] in encodeWord($0, into: &$1) } }
    if !core.rules.splitsWords { fuseUnknown(&ids, from: first) }
  }

  /// Calls `body` with the words of `text`: each starts with its "▁", or with a run of them unless words are split.
  private func forEachWord(of text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
    var start = 0
    var offset = 0
    var isAfterMark = true
    while offset < text.count {
      let isMark =
        text[offset] == 0xE2 && offset + 2 < text.count && text[offset + 1] == 0x96 && text[offset + 2] == 0x81
      if isMark, offset > start, core.rules.splitsWords || !isAfterMark {
        body(UnsafeRawBufferPointer(rebasing: text[start..<offset]))
        start = offset
      }
      isAfterMark = isMark
      offset += isMark ? 3 : 1
    }
    if start < text.count { body(UnsafeRawBufferPointer(rebasing: text[start...])) }
  }

  private func encodeWord(_ word: UnsafeRawBufferPointer, into ids: inout [Int32]) {
    if core.rules.ignoresMerges, let whole = core.pieces.id(of: word) { return ids.append(whole) }
    let first = ids.count
    merge(word, into: &ids)
    if core.rules.splitsWords { fuseUnknown(&ids, from: first) }
  }

  /// Appends the ids that merges alone make of a word, or the best pieces of a unigram model.
  func merge(_ word: UnsafeRawBufferPointer, into ids: inout [Int32]) {
    if let unigram = core.unigram {
      for (piece, bytes) in unigram.cut(word) {
        let isUnknown = piece < 0 || piece == core.unknown
        if isUnknown { appendUnknown(UnsafeRawBufferPointer(rebasing: word[bytes]), to: &ids) } else { ids.append(piece) }
      }
      return
    }
    merger.symbols.removeAll(keepingCapacity: true)
    var offset = 0
    while offset < word.count {
      let length = word.characterLength(at: offset)
      let character = UnsafeRawBufferPointer(rebasing: word[offset..<(offset + length)])
      let symbol = core.symbol(of: character)
      if symbol >= 0 { merger.symbols.append(symbol) } else { appendUnknown(character, to: &merger.symbols) }
      offset += length
    }
    merger.merge()
    for symbol in merger.symbols { append(symbol, to: &ids) }
  }

  /// The last two symbols that became one in `merge`; nil where none did.
  var lastPair: (left: Int32, right: Int32)? { merger.lastPair }

  private func append(_ symbol: Int32, to ids: inout [Int32]) {
    if symbol < core.vocabularySize { return ids.append(symbol) }
    core.extraCharacters[Int(symbol - core.vocabularySize)].withUnsafeBytes { appendUnknown($0, to: &ids) }
  }

  /// Appends the byte tokens of a character without a piece, or the unknown token, or nothing where there is neither.
  private func appendUnknown(_ character: UnsafeRawBufferPointer, to symbols: inout [Int32]) {
    if let byteTokens = core.byteTokens {
      for byte in character { symbols.append(byteTokens[Int(byte)]) }
    } else if core.unknown >= 0 {
      symbols.append(core.unknown)
    }
  }

  private func fuseUnknown(_ ids: inout [Int32], from first: Int) {
    guard core.rules.fusesUnknown, core.byteTokens == nil, core.unknown >= 0 else { return }
    var kept = first
    for index in first..<ids.count where !(ids[index] == core.unknown && kept > first && ids[kept - 1] == core.unknown) {
      ids[kept] = ids[index]
      kept += 1
    }
    ids.removeLast(ids.count - kept)
  }
}

extension SentencePieceRules {
  /// The compiled normalization, nil where there is none.
  func map() throws(LMToolError) -> CharacterMap? {
    characterMap.isEmpty ? nil : try CharacterMap(characterMap, mapsGraphemes: mapsGraphemes)
  }
}
