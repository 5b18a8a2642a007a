import Tensors

extension TokenizerDefinition {
  /// Reads a SentencePiece `tokenizer.model` of the BPE or the unigram kind.
  ///
  /// SentencePiece itself adds no special tokens; as the models that come with such a file want it, texts start with
  /// the beginning-of-text token where the file names one.
  public static func read(sentencePiece path: String) throws(LMToolError) -> TokenizerDefinition {
    let file = try MappedFile(path: path)
    guard file.count <= Limit.vocabularyBytes else { throw .tokenizer("the file is too large", rule: 1, file: path) }
    let bytes = file.withBytes(0..<file.count) { Array($0) }
    do throws(LMToolError) {
      var reader = SentencePieceFile()
      try reader.read(bytes)
      return try reader.definition()
    } catch {
      throw error.within(file: path)
    }
  }
}

/// The fields of a SentencePiece ModelProto that matter here.
private struct SentencePieceFile {
  private var vocabulary = Vocabulary()
  private var scores: [Float] = []
  private var unknown: Int32?
  private var hasUnused = false
  /// TrainerSpec: 1 is Unigram, 2 is BPE.
  private var modelType: UInt64 = 1
  private var byteFallback = false
  private var marksSpaceAfter = false
  private var bos: Int64 = 1
  private var eos: Int64 = 2
  private var padding: Int64 = -1
  // NormalizerSpec
  private var characterMap: [UInt8] = []
  private var addsPrefix = true
  private var removesExtraSpaces = true
  private var escapesSpaces = true

  /// A field of a message: its number and its value.
  private enum Value {
    case number(UInt64)
    case fixed(UInt32)
    case bytes(Range<Int>)
  }

  mutating func read(_ bytes: [UInt8]) throws(LMToolError) {
    var cursor = ByteCursor(bytes, rule: 9)
    var numbers: Set<Int> = []
    while let (number, value) = try Self.field(&cursor) {
      guard case .bytes(let range) = value else { continue }
      numbers.insert(number)
      switch number {
      case 1: try readPiece(bytes, range)
      case 2: try forEachField(bytes, range) { readTrainer($0, $1) }
      case 3: try forEachField(bytes, range) { readNormalizer($0, $1, bytes) }
      default: break
      }
    }
    // A file that was cut after its pieces would read as a unigram model, which is what no kind at all means.
    guard numbers.isSuperset(of: [2, 3]) else {
      throw cursor.failure("it does not say how it was trained or how it normalizes; the file is truncated or damaged")
    }
  }

  private static func field(_ cursor: inout ByteCursor) throws(LMToolError) -> (Int, Value)? {
    guard cursor.remaining > 0 else { return nil }
    let tag = try cursor.varint("a field tag")
    guard tag >> 3 > 0, tag >> 3 < 1 << 29 else { throw cursor.failure("a field has the number \(tag >> 3)") }
    let number = Int(tag >> 3)
    switch tag & 7 {
    case 0: return (number, .number(try cursor.varint("a number")))
    case 1:
      _ = try cursor.take(8, "a 64-bit field")
      return (number, .number(0))
    case 2:
      let length = try cursor.varint("a length")
      guard let count = Int(exactly: length) else { throw cursor.failure("a field has the length \(length)") }
      return (number, .bytes(try cursor.take(count, "a field")))
    case 5: return (number, .fixed(try cursor.integer("a 32-bit field")))
    default: throw cursor.failure("a field has the unknown wire type \(tag & 7); this is no SentencePiece model")
    }
  }

  private func forEachField(
    _ bytes: [UInt8], _ range: Range<Int>, _ body: (Int, Value) -> Void
  ) throws(LMToolError) {
    var cursor = ByteCursor(bytes, range: range, rule: 9)
    while let (number, value) = try Self.field(&cursor) { body(number, value) }
  }

  private mutating func readPiece(_ bytes: [UInt8], _ range: Range<Int>) throws(LMToolError) {
    var piece = 0..<0
    var score: Float = 0
    var type: UInt64 = 1
    try forEachField(bytes, range) { number, value in
      switch (number, value) {
      case (1, .bytes(let range)): piece = range
      case (2, .fixed(let bits)): score = Float(bitPattern: bits)
      case (3, .number(let number)): type = number
      default: break
      }
    }
    guard let type = TokenType(rawValue: UInt8(clamping: type)), !piece.isEmpty else {
      throw .tokenizer("piece \(scores.count) is empty or of the type \(type), which is not supported", rule: 9)
    }
    if type == .unused { hasUnused = true }
    guard scores.count < TokenizerDefinition.Limit.tokens else { throw .tokenizer("it has too many pieces", rule: 1) }
    if type == .unknown { unknown = Int32(scores.count) }
    vocabulary.append(bytes[piece], type: type)
    scores.append(score)
  }

  private mutating func readTrainer(_ number: Int, _ value: Value) {
    guard case .number(let value) = value else { return }
    switch number {
    case 3: modelType = value
    case 24: marksSpaceAfter = value != 0
    case 35: byteFallback = value != 0
    case 41: bos = Int64(bitPattern: value)
    case 42: eos = Int64(bitPattern: value)
    case 43: padding = Int64(bitPattern: value)
    default: break
    }
  }

  private mutating func readNormalizer(_ number: Int, _ value: Value, _ bytes: [UInt8]) {
    switch (number, value) {
    case (2, .bytes(let range)): characterMap = Array(bytes[range])
    case (3, .number(let value)): addsPrefix = value != 0
    case (4, .number(let value)): removesExtraSpaces = value != 0
    case (5, .number(let value)): escapesSpaces = value != 0
    default: break
    }
  }

  func definition() throws(LMToolError) -> TokenizerDefinition {
    guard modelType == 1 || modelType == 2 else {
      let name = [3: "word", 4: "character"][modelType] ?? "\(modelType)"
      throw .tokenizer("the SentencePiece model is of the kind \(name), which is not supported; BPE and unigram are", rule: 9)
    }
    guard !hasUnused || modelType == 1 else { throw .tokenizer("a BPE model has unused pieces, which is not supported", rule: 9) }
    guard escapesSpaces, !marksSpaceAfter else {
      throw .tokenizer("it keeps spaces as they are or at the end of words, which is not supported", rule: 9)
    }
    var rules = SentencePieceRules()
    rules.prefix = addsPrefix ? .always : .never
    rules.stripsPrefix = addsPrefix
    rules.removesExtraSpaces = removesExtraSpaces
    rules.byteFallback = byteFallback
    rules.isUnigram = modelType == 1
    rules.characterMap = characterMap
    var definition = TokenizerDefinition(
      model: .sentencePiece(rules), vocabulary: vocabulary, scores: scores, added: .ofPieces(vocabulary))
    definition.unknown = unknown
    definition.bos = try role(bos, "beginning-of-text")
    definition.eos = try role(eos, "end-of-text").map { [$0] } ?? []
    definition.padding = try role(padding, "padding")
    definition.addsBOS = definition.bos != nil
    try definition.validate()
    return definition
  }

  private func role(_ id: Int64, _ role: String) throws(LMToolError) -> Int32? {
    guard id >= 0 else { return nil }
    guard id < vocabulary.count else { throw .tokenizer("the \(role) token \(id) is outside the vocabulary", rule: 3) }
    return Int32(id)
  }
}

extension [AddedToken] {
  /// The added tokens of a vocabulary that says by its types what is matched whole.
  static func ofPieces(_ vocabulary: Vocabulary) -> [AddedToken] {
    (0..<vocabulary.count).compactMap { id in
      switch vocabulary.type(of: id) {
      case .control, .unknown: AddedToken(id: Int32(id), isSpecial: true)
      case .userDefined: AddedToken(id: Int32(id), isSpecial: false, matching: .piece)
      case .normal, .unused, .byte: nil
      }
    }
  }
}
