import Tensors
import TestSupport
import Testing
import Tokenizers

/// SentencePiece-style rules on small vocabularies.
@Suite struct SentencePieceTests {
  /// Pieces and their scores after the unknown token; ids start at 1.
  private func fields(_ pieces: [(String, Float)], bytes: Bool = false) -> GGUFTokenizerFields {
    let tokens = ["<unk>"] + pieces.map(\.0) + (bytes ? (0...255).map { Self.byteToken($0) } : [])
    var fields = GGUFTokenizerFields(model: "llama", tokens: tokens.map { Array($0.utf8) })
    fields.scores = [0] + pieces.map(\.1) + [Float](repeating: 0, count: bytes ? 256 : 0)
    fields.types = [2] + pieces.map { _ in 1 } + [Int32](repeating: 6, count: bytes ? 256 : 0)
    fields.addsSpacePrefix = false
    return fields
  }

  private static func byteToken(_ byte: Int) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x" + (digits.count < 2 ? "0" : "") + digits + ">"
  }

  private func tokenizer(_ fields: GGUFTokenizerFields) throws -> Tokenizer {
    try Tokenizer(try TokenizerDefinition(gguf: fields))
  }

  @Test func bestScoreMergesFirstLeftmostOfEquals() throws {
    let pieces: [(String, Float)] = [("a", 0), ("b", 0), ("c", 0), ("ab", -2), ("bc", -1), ("ca", -2)]
    #expect(try tokenizer(fields(pieces)).encode("abc") == [1, 5])
    #expect(try tokenizer(fields(pieces)).encode("abca") == [1, 5, 1])
    #expect(try tokenizer(fields([("a", 0), ("aa", -1)])).encode("aaa") == [2, 1])
    let tied: [(String, Float)] = [("a", 0), ("b", 0), ("c", 0), ("ab", -1), ("bc", -1)]
    #expect(try tokenizer(fields(tied)).encode("abc") == [4, 3])
  }

  @Test func unknownCharactersThatSpellAPieceMerge() throws {
    #expect(try tokenizer(fields([("xy", -1), ("xyz", -2)])).encode("xyz") == [2])
    #expect(try tokenizer(fields([("xy", -1)])).encode("xz") == [0])
  }

  @Test func unknownCharactersSideBySideAreOneToken() throws {
    #expect(try tokenizer(fields([("a", 0)])).encode("ZZaZ") == [0, 1, 0])
  }

  @Test func charactersWithoutAPieceBecomeTheirBytes() throws {
    let tokenizer = try tokenizer(fields([("a", 0)], bytes: true))
    #expect(tokenizer.encode("aé") == [1, 2 + 0xC3, 2 + 0xA9])
    #expect(tokenizer.decode([1, 2 + 0xC3, 2 + 0xA9]) == Array("aé".utf8))
    #expect(tokenizer.encode("<0x41>").count == 6)
  }

  @Test func prefixIsAddedAndDroppedAgain() throws {
    var fields = fields([("a", 0), ("▁", 0), ("▁a", -1)])
    #expect(try tokenizer(fields).encode("a a") == [1, 3])
    fields.addsSpacePrefix = true
    #expect(try tokenizer(fields).encode("a a") == [3, 3])
    #expect(try tokenizer(fields).encode(" a") == [2, 3])
    #expect(try tokenizer(fields).decode([2, 3]) == Array(" a".utf8))
    #expect(try tokenizer(fields).encode("") == [])
  }

  @Test func userDefinedPiecesAreMatchedInsideWords() throws {
    var fields = fields([("a", 0), ("b", 0), ("ab", -1), ("ba", 0)])
    fields.types = [2, 1, 1, 1, 4]
    #expect(try tokenizer(fields).encode("abab") == [1, 4, 2])
  }

  @Test func metaspaceFirstPrefixesTheFirstStretchOnly() throws {
    let json = """
      {"added_tokens":[{"id":4,"content":"<x>","special":true}],
      "pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false},
      "model":{"type":"BPE","vocab":{"a":0,"▁":1,"▁a":2,"u":3},"merges":["▁ a"],"unk_token":"u"}}
      """
    let tokenizer = try Tokenizer(try definition(json: json))
    #expect(tokenizer.encode("a<x>a", parseSpecial: true) == [2, 4, 0])
    #expect(tokenizer.encode(" a") == [2])
    #expect(tokenizer.encode("a a") == [2, 2])
  }

  @Test func canonicallyEquivalentPiecesAreDifferentTokens() throws {
    let json = """
      {"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},
      "model":{"type":"BPE","vocab":{"\\u00e9":0,"e\\u0301":1,"e":2,"\\u0301":3},"merges":[["e","\\u0301"]]}}
      """
    let tokenizer = try Tokenizer(try definition(json: json))
    #expect(tokenizer.encode("\u{E9}") == [0])
    #expect(tokenizer.encode("e\u{301}") == [1])
  }

  @Test func mergesFromJSONAndScoresFromTheModelAgree() throws {
    let scored = try Fixtures.tok512()
    let scratch = TestFolder()
    let ranked = try TokenizerDefinition.read(tokenizerJSON: scratch.write("tokenizer.json", scored.tokenizerJSON()))
    #expect(ranked.scores.isEmpty && !ranked.merges.isEmpty)
    let throughScores = try Tokenizer(try TokenizerDefinition(gguf: ranked.ggufFields()))
    for vector in try Fixtures.vectors() { #expect(throughScores.encode(vector.text, addSpecial: false) == vector.tok512) }
  }
}
