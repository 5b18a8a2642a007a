import Tensors
import TestSupport
import Testing
import Tokenizers

/// Normalizers (TOK-19), against `tokenizers`.
@Suite struct NormalizerTests {
  private struct Vectors: Decodable {
    var texts: [String]
    var tokenizer: JSONValue
    var normalizers: [String: String]
    var results: [String: [String]]
  }

  private let scratch = TestFolder()

  private func vectors() throws -> Vectors {
    try decodeJSON(Vectors.self, file: MappedFile(path: Fixtures.path("tokenizers/normalizers.json")))
  }

  /// A tokenizer of bytes with these normalizers, as JSON.
  private func definition(_ normalizers: String) throws -> TokenizerDefinition {
    var tokenizer = try vectors().tokenizer.object ?? [:]
    let json = #"{"type": "Sequence", "normalizers": \#(normalizers)}"#
    tokenizer["normalizer"] = try Array(json.utf8).withUnsafeBytes { try decodeJSON(JSONValue.self, bytes: $0) }
    return try .read(tokenizerJSON: scratch.write("tokenizer.json", encodeJSON(JSONValue.object(tokenizer))))
  }

  @Test(arguments: ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripRight", "StripAccents", "Nmt", "all"])
  func textsBecomeWhatTokenizersMakesOfThem(name: String) throws {
    let vectors = try vectors()
    let definition = try definition(try #require(vectors.normalizers[name]))
    let written = try scratch.write("written.json", definition.tokenizerJSON())
    let tokenizer = try Tokenizer(definition), second = try Tokenizer(try .read(tokenizerJSON: written))
    for (text, wanted) in zip(vectors.texts, try #require(vectors.results[name])) {
      let ids = tokenizer.encode(text, addSpecial: false)
      #expect(tokenizer.decode(ids) == Array(wanted.utf8), "\(text.debugDescription)")
      #expect(second.encode(text, addSpecial: false) == ids)
    }
  }

  @Test(
    arguments: [
      #"[{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "lowercase": true}]"#,
      #"[{"type": "Replace", "pattern": {"String": "a"}, "content": "b"}]"#, #"[{"type": "Precompiled"}]"#,
      #"[{"type": "ByteLevel"}]"#,
    ])
  func othersAreRefused(normalizers: String) {
    #expect(failure { _ = try definition(normalizers) }?.rule == "TOK-6")
  }

  /// TOK-6: what T5 and its kin have; what follows the marking of spaces has no place.
  @Test func stepsAroundACharacterMapKeepTheirOrder() throws {
    let model = try TokenizerDefinition.read(sentencePiece: Fixtures.path("tokenizers/unigram-mapped.model"))
    var changed = model
    changed.normalizers = [.lowercase, .characterMap, .stripRight, .joinSpaces]
    let path = try scratch.write("t5.json", changed.tokenizerJSON())
    let back = try TokenizerDefinition.read(tokenizerJSON: path)
    #expect(back.normalizers == changed.normalizers)
    let plain = try Tokenizer(model), tokenizer = try Tokenizer(changed)
    #expect(tokenizer.encode("THE  ﬁrst \n", addSpecial: false) == plain.encode("the ﬁrst", addSpecial: false))
    let text = try contents(path), late = String(decoding: text, as: UTF8.self)
    let wrong = late.replacing(#"{"type":"Lowercase"}"#, with: #"{"type":"Replace","pattern":{"String":" "},"content":"▁"}"#)
    #expect(late != wrong)
    let other = try scratch.write("late.json", wrong)
    #expect(failure { _ = try TokenizerDefinition.read(tokenizerJSON: other) }?.rule == "TOK-6")
  }
}
