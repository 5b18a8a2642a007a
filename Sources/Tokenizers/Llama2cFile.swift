import Tensors

extension TokenizerDefinition {
  /// Reads the `tokenizer.bin` of llama2.c: a token per id, spaces as they are, control tokens between line feeds.
  ///
  /// - Parameter vocabularySize: the number of tokens, which the file does not hold; the model does.
  public static func read(llama2c path: String, vocabularySize: Int) throws(LMToolError) -> TokenizerDefinition {
    guard vocabularySize >= 3, vocabularySize <= Limit.tokens else {
      throw .tokenizer("a vocabulary of \(vocabularySize) tokens is not possible", rule: 1, file: path)
    }
    let file = try MappedFile(path: path)
    var reader = Llama2cFile(ByteReader(file, rule: "TOK-10"))
    let longest = try reader.bytes.integer(UInt32.self, "the length of the longest token")
    guard longest <= Limit.tokenBytes else {
      throw .tokenizer(
        "the longest token has \(longest) bytes; this is no llama2.c tokenizer", rule: 10, file: path, at: .offset(0))
    }
    do throws(LMToolError) {
      for id in 0..<vocabularySize { try reader.readToken(id, longest: Int(longest)) }
      guard reader.bytes.remaining == 0 else {
        throw .tokenizer(
          "bytes are left after \(vocabularySize) tokens; the file belongs to a model with another vocabulary", rule: 10,
          at: .offset(reader.bytes.offset))
      }
      return try reader.definition()
    } catch {
      throw error.within(file: path)
    }
  }
}

private struct Llama2cFile {
  var bytes: ByteReader
  private var vocabulary = Vocabulary()
  private var scores: [Float] = []

  init(_ bytes: ByteReader) { self.bytes = bytes }

  mutating func readToken(_ id: Int, longest: Int) throws(LMToolError) {
    let score = try bytes.float("the score of token \(id)")
    let length = try bytes.integer(UInt32.self, "the length of token \(id)")
    guard length > 0, length <= longest else {
      throw .tokenizer("token \(id) has \(length) bytes, the longest has \(longest)", rule: 10, at: .offset(bytes.offset))
    }
    append(try bytes.bytes(Int(length), "token \(id)"), score: score)
  }

  /// The first 259 tokens are the unknown token, two control tokens and the 256 bytes; older files hold the bytes bare or
  /// as Latin-1 characters.
  private mutating func append(_ token: [UInt8], score: Float) {
    let id = vocabulary.count
    scores.append(score)
    if id < 3 {
      let name = token.drop { $0 == 0x0A }
      vocabulary.append(name.last == 0x0A ? name.dropLast() : name, type: id == 0 ? .unknown : .control)
    } else if id < 259, let byte = UInt8(exactly: id - 3), Self.spells(token, byte) {
      vocabulary.append(fallbackToken(for: byte), type: .byte)
    } else {
      vocabulary.append(token.withUnsafeBytes { SentencePieceText.escape($0, Self.rules, isFirst: false) }, type: .normal)
    }
  }

  /// Whether a token stands for a byte: as `<0xE9>`, as the byte, or as the character of that number.
  private static func spells(_ token: [UInt8], _ byte: UInt8) -> Bool {
    token == [byte] || token == fallbackToken(for: byte) || token.elementsEqual(String(Unicode.Scalar(byte)).utf8)
  }

  /// Spaces become "▁", nothing else.
  private static let rules: SentencePieceRules = {
    var rules = SentencePieceRules()
    rules.prefix = .never
    return rules
  }()

  func definition() throws(LMToolError) -> TokenizerDefinition {
    var definition = TokenizerDefinition(
      model: .sentencePiece(SentencePieceRules()), vocabulary: vocabulary, scores: scores, added: .ofPieces(vocabulary))
    (definition.unknown, definition.bos, definition.eos, definition.addsBOS) = (0, 1, [2], true)
    try definition.validate()
    return definition
  }
}
