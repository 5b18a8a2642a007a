import Tensors
import TestSupport
import Testing
import Tokenizers

/// Unigram models and character maps (TOK-17, TOK-18), against sentencepiece.
@Suite struct UnigramTests {
  private struct Vectors: Decodable {
    var texts: [String]
    var ids: [String: [[Int32]]]
  }

  private func model(_ name: String) throws -> TokenizerDefinition {
    try .read(sentencePiece: Fixtures.path("tokenizers/\(name).model"))
  }

  private static let names = ["unigram", "unigram-defined", "unigram-mapped"]

  @Test(arguments: names)
  func idsAgreeWithSentencePiece(name: String) throws {
    let vectors = try decodeJSON(Vectors.self, file: MappedFile(path: Fixtures.path("tokenizers/unigram.json")))
    let tokenizer = try Tokenizer(try model(name))
    for (text, ids) in zip(vectors.texts, try #require(vectors.ids[name])) {
      #expect(tokenizer.encode(text, addSpecial: false) == ids, "\(text)")
    }
  }

  @Test(arguments: names)
  func theSerializedFormKeepsEverything(name: String) throws {
    let definition = try model(name)
    #expect(try TokenizerDefinition(serialized: definition.serialized()) == definition)
  }

  @Test func tokenizerJSONGivesTheSameIDs() throws {
    let scratch = TestFolder()
    let definition = try model("unigram")
    let path = try scratch.write("tokenizer.json", definition.tokenizerJSON())
    let (first, second) = (try Tokenizer(definition), try Tokenizer(try TokenizerDefinition.read(tokenizerJSON: path)))
    let vectors = try decodeJSON(Vectors.self, file: MappedFile(path: Fixtures.path("tokenizers/unigram.json")))
    for text in vectors.texts.prefix(12) { #expect(first.encode(text) == second.encode(text), "\(text)") }
  }

  @Test func whatIsTrimmedStillSpellsEverything() throws {
    let definition = try model("unigram")
    let (small, _) = try definition.trimmed(keeping: [])
    #expect(small.vocabularySize < definition.vocabularySize)
    let tokenizer = try Tokenizer(small)
    #expect(tokenizer.decode(tokenizer.encode("the bada ½ 🦙", addSpecial: false)) == Array("the bada ½ 🦙".utf8))
  }

  /// TOK-11: scores, types and character map go through GGUF and come back.
  @Test(arguments: names)
  func ggufKeepsEverything(name: String) throws {
    let definition = try model(name)
    let fields = try definition.ggufFields()
    #expect(fields.model == "t5" && fields.scores == definition.scores)
    #expect((fields.characterMap != nil) == (name == "unigram-mapped"))
    let back = try TokenizerDefinition(gguf: fields)
    #expect(back == definition)
    let vectors = try decodeJSON(Vectors.self, file: MappedFile(path: Fixtures.path("tokenizers/unigram.json")))
    let tokenizer = try Tokenizer(back)
    for (text, ids) in zip(vectors.texts, try #require(vectors.ids[name])) {
      #expect(tokenizer.encode(text, addSpecial: false) == ids, "\(text)")
    }
  }

  /// TOK-11.
  @Test func ggufOfUnigramModelsIsChecked() throws {
    var fields = try model("unigram").ggufFields()
    fields.scores = nil
    #expect(failure { _ = try TokenizerDefinition(gguf: fields) }?.rule == "TOK-11")
    fields = try model("unigram-mapped").ggufFields()
    fields.characterMap = [1, 2, 3]
    #expect(failure { _ = try TokenizerDefinition(gguf: fields) }?.rule == "TOK-18")
    var definition = try model("unigram")
    definition.normalizers = [.lowercase]
    #expect(failure { _ = try definition.ggufFields() }?.rule == "TOK-11")
  }

  /// TOK-18.
  @Test(
    arguments: [
      [1], [0, 0, 0, 0], [3, 0, 0, 0, 1, 2, 3], [8, 0, 0, 0, 1, 2, 3, 4], [4, 0, 0, 0, 1, 2, 3, 4], [4, 0, 0, 0, 1, 2, 3, 4, 65],
      [4, 0, 0, 0, 1, 2, 3, 4, 0xFF, 0], [4, 0, 0, 0, 1, 2, 3, 4] + [UInt8](repeating: 65, count: 1025) + [0],
    ] as [[UInt8]])
  func brokenCharacterMapsAreRefused(bytes: [UInt8]) throws {
    var definition = try model("unigram")
    guard case .sentencePiece(var rules) = definition.model else { return }
    rules.characterMap = bytes
    definition.model = .sentencePiece(rules)
    #expect(failure { try definition.validate() }?.rule == "TOK-18")
  }

  /// TOK-18: whatever a trie says, looking things up stays inside it.
  @Test func triesOfNoiseDoNoHarm() throws {
    var definition = try model("unigram-mapped")
    guard case .sentencePiece(var rules) = definition.model else { return }
    var noise: UInt64 = 1
    for _ in 0..<200 {
      for index in 4..<(rules.characterMap.count / 2) {
        noise = noise &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        if noise >> 60 == 0 { rules.characterMap[index] = UInt8(truncatingIfNeeded: noise >> 32) }
      }
      definition.model = .sentencePiece(rules)
      _ = try Tokenizer(definition).encode("the ﬁrst Ａ e\u{301} ½ é")
    }
  }
}
