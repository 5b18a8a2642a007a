import Tensors

extension TokenizerDefinition {
  /// Reads what `serialized()` wrote.
  ///
  /// - Throws: `badInput` (TOK-12) for anything else; a hostile form costs no more memory than the limits of TOK-1.
  public init(serialized: [UInt8]) throws(LMToolError) {
    var reader = SerializedReader(serialized)
    self = try reader.definition()
    try validate()
  }
}

private struct SerializedReader {
  private var cursor: ByteCursor
  private var size = 0

  init(_ bytes: [UInt8]) { cursor = ByteCursor(bytes, rule: 12) }

  mutating func definition() throws(LMToolError) -> TokenizerDefinition {
    let flags = try header()
    let (bos, unknown, padding) = (
      try cursor.optionalID("bos"), try cursor.optionalID("unknown"), try cursor.optionalID("padding")
    )
    var eos: [Int32] = []
    for _ in 0..<(try cursor.count(ofSize: 4, "the number of end-of-text tokens")) { eos.append(try cursor.integer("eos")) }
    var normalizers = flags[2] ? try listedNormalizers() : []
    let model = try rules(&normalizers)
    let added = try addedTokens()
    let types = try tokenTypes()
    let merges = try merges()
    let vocabulary = try tokens(types, merges)
    var definition = TokenizerDefinition(
      model: model, vocabulary: vocabulary, merges: merges, scores: try scores(), added: added)
    guard cursor.remaining == 0 else { throw cursor.failure("\(cursor.remaining) bytes are left after the tokenizer") }
    (definition.bos, definition.eos, definition.unknown, definition.padding) = (bos, eos, unknown, padding)
    definition.normalizers = normalizers
    (definition.addsBOS, definition.addsEOS) = (flags[0], flags[1])
    return definition
  }

  private mutating func header() throws(LMToolError) -> [Bool] {
    let magic = try cursor.take(4, "the magic")
    guard cursor.bytes[magic].elementsEqual(SerializedForm.magic) else {
      throw cursor.failure("this is not a serialized tokenizer")
    }
    let version: UInt16 = try cursor.integer("the version")
    guard version == SerializedForm.version else {
      throw cursor.failure("the version \(version) is not known; use a newer lmtool")
    }
    let flags = try cursor.flags(3, "the flags")
    size = try cursor.count(ofSize: 1, "the number of tokens")
    guard size > 0, size <= TokenizerDefinition.Limit.tokens else { throw cursor.failure("it has \(size) tokens") }
    return flags
  }

  // MARK: Rules

  private mutating func listedNormalizers() throws(LMToolError) -> [TextNormalizer] {
    var normalizers: [TextNormalizer] = []
    for _ in 0..<(try cursor.integer(UInt8.self, "the number of normalizers")) {
      normalizers.append(try cursor.choice(TextNormalizer.self, "a normalizer"))
    }
    return normalizers
  }

  private mutating func rules(_ normalizers: inout [TextNormalizer]) throws(LMToolError) -> TokenizerDefinition.Model {
    let kind: UInt8 = try cursor.integer("the kind")
    switch kind {
    case 0: return .byteLevel(try byteLevelRules(&normalizers))
    case 1: return .sentencePiece(try sentencePieceRules())
    default: throw cursor.failure("the kind \(kind) is not known")
    }
  }

  private mutating func byteLevelRules(_ normalizers: inout [TextNormalizer]) throws(LMToolError) -> ByteLevelRules {
    var rules = ByteLevelRules()
    let flags = try cursor.flags(4, "the rules")
    if flags[0] { normalizers.append(.nfc) }
    (rules.addsPrefixSpace, rules.ignoresMerges, rules.emitsUnknown) = (flags[1], flags[2], flags[3])
    rules.steps = []
    for _ in 0..<(try cursor.integer(UInt8.self, "the number of steps")) { rules.steps.append(try step()) }
    return rules
  }

  private mutating func step() throws(LMToolError) -> PreTokenizerStep {
    let kind: UInt8 = try cursor.integer("a step")
    switch kind {
    case 0: return .gpt2
    case 1: return .digits(individual: try cursor.flags(1, "the digits")[0])
    case 2: return .punctuation(try cursor.choice(SplitBehavior.self, "the behaviour"))
    case 3:
      let flags = try cursor.flags(2, "the split")
      let behavior = try cursor.choice(SplitBehavior.self, "the behaviour")
      let range = try cursor.take(try cursor.count(ofSize: 1, "the length of a pattern"), "a pattern")
      guard let pattern = String(validating: cursor.bytes[range], as: UTF8.self) else {
        throw cursor.failure("a pattern is not valid UTF-8")
      }
      return .split(.init(pattern: pattern, isRegex: flags[0], behavior: behavior, inverts: flags[1]))
    default: throw cursor.failure("the step \(kind) is not known")
    }
  }

  private mutating func sentencePieceRules() throws(LMToolError) -> SentencePieceRules {
    var rules = SentencePieceRules()
    let flags = try cursor.flags(8, "the rules")
    (rules.removesExtraSpaces, rules.splitsWords, rules.byteFallback) = (flags[0], flags[1], flags[2])
    (rules.fusesUnknown, rules.ignoresMerges, rules.stripsPrefix) = (flags[3], flags[4], flags[5])
    rules.isUnigram = flags[6]
    rules.prefix = try cursor.choice(SentencePieceRules.Prefix.self, "the prefix")
    guard flags[7] else { return rules }
    rules.mapsGraphemes = try cursor.flags(1, "the character map")[0]
    let range = try cursor.take(try cursor.count(ofSize: 1, "the length of the character map"), "the character map")
    rules.characterMap = Array(cursor.bytes[range])
    return rules
  }

  private mutating func addedTokens() throws(LMToolError) -> [AddedToken] {
    var tokens: [AddedToken] = []
    for _ in 0..<(try cursor.count(ofSize: 6, "the number of added tokens")) {
      let id: Int32 = try cursor.integer("an added token")
      let flags = try cursor.flags(4, "an added token")
      tokens.append(
        AddedToken(
          id: id, isSpecial: flags[0], stripsLeft: flags[1], stripsRight: flags[2], isSingleWord: flags[3],
          matching: try cursor.choice(AddedToken.Matching.self, "an added token")))
    }
    return tokens
  }

  // MARK: Tokens

  private mutating func tokenTypes() throws(LMToolError) -> [TokenType] {
    var types: [TokenType] = []
    types.reserveCapacity(size)
    for byte in cursor.bytes[try cursor.take(size, "the token types")] {
      guard let type = TokenType(rawValue: byte) else { throw cursor.failure("the token type \(byte) is not known") }
      types.append(type)
    }
    return types
  }

  private mutating func merges() throws(LMToolError) -> [Merge] {
    let width = SerializedForm.width(size)
    let count = try cursor.count(ofSize: 3 * width, "the number of merges")
    guard count <= TokenizerDefinition.Limit.merges else { throw cursor.failure("it has \(count) merges") }
    let left = try cursor.column(count, width: width, "the merges")
    let right = try cursor.column(count, width: width, "the merges")
    let steps = try cursor.column(count, width: width, "the merges")
    let mask: UInt32 = width == 2 ? 0xFFFF : .max
    var result = UInt32.max
    var merges: [Merge] = []
    merges.reserveCapacity(count)
    for index in 0..<count {
      result = (result &+ steps[index] &+ 1) & mask
      guard left[index] < size, right[index] < size, result < size else {
        throw cursor.failure("merge \(index) names a token outside the vocabulary")
      }
      merges.append(Merge(left: Int32(left[index]), right: Int32(right[index]), result: Int32(result)))
    }
    return merges
  }

  /// The tokens: those that merges make from known parts are spelled by them, the others are given.
  private mutating func tokens(_ types: [TokenType], _ merges: [Merge]) throws(LMToolError) -> Vocabulary {
    var makers = [Int32](repeating: -1, count: size)
    var isKnown = [Bool](repeating: true, count: size)
    for merge in merges { isKnown[Int(merge.result)] = false }
    for (index, merge) in merges.enumerated() where !isKnown[Int(merge.result)] {
      if isKnown[Int(merge.left)] && isKnown[Int(merge.right)] { makers[Int(merge.result)] = Int32(index) }
      isKnown[Int(merge.result)] = true
    }
    var speller = TokenSpeller(size: size)
    let literals = (0..<size).filter { makers[$0] < 0 }
    let lengths = try cursor.column(literals.count, width: 2, "the lengths of tokens")
    for (id, length) in zip(literals, lengths) { speller.add(id, cursor.bytes[try cursor.take(Int(length), "token \(id)")]) }
    for (index, merge) in merges.enumerated() where makers[Int(merge.result)] == Int32(index) {
      guard speller.join(merge) else { throw cursor.failure("the tokens are longer than the limits of TOK-1 allow") }
    }
    return speller.vocabulary(types)
  }

  private mutating func scores() throws(LMToolError) -> [Float] {
    let form: UInt8 = try cursor.integer("the form of the scores")
    switch form {
    case 0: return []
    case 1: return try cursor.column(size, width: 4, "the scores").map { Float(bitPattern: $0) }
    case 2:
      var score: Int32 = 1
      return try cursor.column(size, width: 4, "the scores").map { step in
        score = score &+ Int32(bitPattern: step) &- 1
        return Float(score)
      }
    default: throw cursor.failure("the form \(form) of the scores is not known")
    }
  }
}

/// Spells tokens in any order, and puts them in order at the end.
private struct TokenSpeller {
  private var bytes: [UInt8] = []
  private var ranges: [Range<Int>]

  init(size: Int) {
    ranges = [Range<Int>](repeating: 0..<0, count: size)
    bytes.reserveCapacity(size * 8)
  }

  mutating func add(_ id: Int, _ token: ArraySlice<UInt8>) {
    ranges[id] = bytes.count..<(bytes.count + token.count)
    bytes.append(contentsOf: token)
  }

  /// Spells the result of a merge; false when it or all tokens together become too long.
  mutating func join(_ merge: Merge) -> Bool {
    let (left, right) = (ranges[Int(merge.left)], ranges[Int(merge.right)])
    let count = left.count + right.count
    guard count <= TokenizerDefinition.Limit.tokenBytes, bytes.count + count <= TokenizerDefinition.Limit.vocabularyBytes else {
      return false
    }
    let start = bytes.count
    for index in left { bytes.append(bytes[index]) }
    for index in right { bytes.append(bytes[index]) }
    ranges[Int(merge.result)] = start..<(start + count)
    return true
  }

  func vocabulary(_ types: [TokenType]) -> Vocabulary {
    var vocabulary = Vocabulary()
    vocabulary.reserveCapacity(tokens: ranges.count, bytes: bytes.count)
    for (id, range) in ranges.enumerated() { vocabulary.append(bytes[range], type: types[id]) }
    return vocabulary
  }
}
