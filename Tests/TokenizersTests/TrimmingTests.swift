import Tensors
import TestSupport
import Testing
import Tokenizers

/// Smaller vocabularies (TOK-13).
@Suite struct TrimmingTests {
  /// The selection of `make_trimmed.py`.
  private static func selection(_ definition: TokenizerDefinition, oneIn part: UInt32) -> [Int32] {
    (0..<Int32(definition.vocabularySize)).filter { UInt32($0) &* 2_654_435_761 < UInt32((UInt64(1) << 32) / UInt64(part)) }
  }

  private static func trimmed(_ name: String) throws -> (
    original: TokenizerDefinition, definition: TokenizerDefinition, oldIDs: [Int32]
  ) {
    let original = try name == "gpt2" ? Fixtures.gpt2() : name == "smollm" ? Fixtures.smollm() : Fixtures.tok512()
    let result = try original.trimmed(keeping: selection(original, oneIn: name == "smollm" ? 5 : 3))
    return (original, result.definition, result.oldIDs)
  }

  private struct Reference: Decodable {
    var sizes: [String: Int]
    var ids: [[String: [Int32]]]
  }

  private static func reference() throws -> Reference {
    try decodeJSON(Reference.self, file: MappedFile(path: Fixtures.path("tokenizers/trimmed.json")))
  }

  @Test(arguments: ["gpt2", "smollm", "tok512"])
  func trimmedTokenizersMakeTheReferenceIDs(name: String) throws {
    let definition = try Self.trimmed(name).definition
    let reference = try Self.reference()
    #expect(definition.vocabularySize == reference.sizes[name])
    let tokenizer = try Tokenizer(definition)
    for (vector, ids) in zip(try Fixtures.vectors(), reference.ids) {
      #expect(tokenizer.encode(vector.text, addSpecial: false) == ids[name], "\(vector.text.debugDescription)")
    }
  }

  @Test(arguments: ["gpt2", "smollm", "tok512"])
  func theWrittenFormsOfATrimmedTokenizerMakeTheSameIDs(name: String) throws {
    let definition = try Self.trimmed(name).definition
    let scratch = TestFolder()
    let forms = [
      try TokenizerDefinition(serialized: definition.serialized()), try TokenizerDefinition(gguf: definition.ggufFields()),
      try TokenizerDefinition.read(tokenizerJSON: scratch.write("tokenizer.json", definition.tokenizerJSON())),
    ]
    #expect(forms[0] == definition)
    let expected = try Tokenizer(definition)
    for tokenizer in try forms.map({ try Tokenizer($0) }) {
      for vector in try Fixtures.vectors() {
        #expect(tokenizer.encode(vector.text) == expected.encode(vector.text), "\(vector.text.debugDescription)")
      }
    }
  }

  @Test(arguments: ["gpt2", "smollm", "tok512"])
  func everyTextRoundTripsAsBefore(name: String) throws {
    let (original, definition, _) = try Self.trimmed(name)
    let (before, after) = (try Tokenizer(original), try Tokenizer(definition))
    let characters = (0...0x2FFF).compactMap { Unicode.Scalar($0) }
    let lines = stride(from: 0, to: characters.count, by: 64).map { start in
      String(String.UnicodeScalarView(characters[start..<start + 64]))
    }
    for text in try Fixtures.vectors().map(\.text) + lines {
      #expect(after.decode(after.encode(text)) == before.decode(before.encode(text)), "\(text.debugDescription)")
    }
  }

  @Test(arguments: ["gpt2", "smollm", "tok512"])
  func keptTokensStillComeAboutAndKeepTheirOrder(name: String) throws {
    let (original, definition, oldIDs) = try Self.trimmed(name)
    let all = try Tokenizer(original), tokenizer = try Tokenizer(definition)
    #expect(oldIDs == oldIDs.sorted() && oldIDs.count == definition.vocabularySize)
    let parents = TokenParents(all)
    let isKept = parents.closure(of: oldIDs)
    #expect(isKept.count { $0 } == oldIDs.count)
    let splits = try TokenSplits(of: all, in: tokenizer)
    #expect(splits.oldIDs == oldIDs)
    for (id, old) in oldIDs.enumerated() {
      #expect(definition.vocabulary[id] == original.vocabulary[Int(old)])
      #expect(Array(splits[old]) == [Int32(id)])
    }
    let again = TokenParents(tokenizer)
    for (id, old) in oldIDs.enumerated() {
      #expect(again.parents(of: Int32(id)).map { oldIDs[Int($0)] } == parents.parents(of: old))
    }
  }

  @Test(arguments: ["gpt2", "smollm", "tok512"])
  func aSplitTokenIsSpelledByItsPieces(name: String) throws {
    let (original, definition, oldIDs) = try Self.trimmed(name)
    let (large, small) = (try Tokenizer(original), try Tokenizer(definition))
    let splits = try TokenSplits(of: large, in: small)
    #expect(splits.count == original.vocabularySize)
    #expect(splits.split.count + oldIDs.count == original.vocabularySize)
    for id in splits.split {
      #expect(splits[id].count > 1 || large.bytes(of: id).count == 1)
      #expect(splits[id].flatMap { small.bytes(of: $0) } == large.bytes(of: id))
    }
  }

  @Test func specialTokensAreKeptAndRenumbered() throws {
    let original = try Fixtures.smollm()
    let (definition, oldIDs) = try original.trimmed(keeping: [])
    #expect(definition.vocabularySize < 300)
    #expect(
      definition.added.map { definition.vocabulary.text(of: Int($0.id)) }
        == original.added.map { original.vocabulary.text(of: Int($0.id)) })
    #expect(definition.merges.isEmpty)
    #expect(definition.eos.map { oldIDs[Int($0)] } == original.eos)
    #expect(definition.unknown.map { oldIDs[Int($0)] } == original.unknown)
    let tokenizer = try Tokenizer(definition)
    let ids = tokenizer.encode("<|im_start|>hé<|im_end|>", addSpecial: false, parseSpecial: true)
    #expect(ids.count == 5)
    #expect(tokenizer.decode(ids) == Array("<|im_start|>hé<|im_end|>".utf8))
  }

  @Test func charactersGoWhereBytesStandIn() throws {
    let original = try Fixtures.tok512()
    let (definition, _) = try original.trimmed(keeping: [])
    let text = "Once upon\ta time é日😀"
    let tokenizer = try Tokenizer(definition)
    // Unknown, bos, eos, 256 bytes and the mark of a space.
    #expect(definition.vocabularySize == 260)
    #expect(tokenizer.decode(tokenizer.encode(text)) == Array("<s>".utf8) + Array(" \(text)".utf8))
    var bare = original
    guard case .sentencePiece(var rules) = bare.model else { return }
    rules.byteFallback = false
    bare.model = .sentencePiece(rules)
    let characters = (0..<512).count {
      original.vocabulary.type(of: $0) == .normal && original.vocabulary.text(of: $0).unicodeScalars.count == 1
    }
    #expect(try bare.trimmed(keeping: []).definition.vocabularySize == 259 + characters)
  }

  @Test func aKeptTokenBringsItsParents() throws {
    let original = try definition(json: smallJSON(merges: ["a b", "ab c", "c d", "d e"]))
    let (definition, oldIDs) = try original.trimmed(keeping: [9])
    #expect(oldIDs == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    #expect(definition.merges == Array(original.merges.prefix(2)))
    let splits = try TokenSplits(of: try Tokenizer(original), in: try Tokenizer(definition))
    #expect(splits.split == [10, 11])
    #expect(Array(splits[11]) == [3, 4])
  }

  @Test func whatIsNotInTheVocabularyCannotBeKept() throws {
    let original = try Fixtures.tok512()
    expectFailure(.usage) { _ = try original.trimmed(keeping: [512]) }
    expectFailure(.usage) { _ = try original.trimmed(keeping: [-1]) }
  }

  @Test func unrelatedVocabulariesHaveNoSplits() throws {
    let gpt2 = try Tokenizer(try Fixtures.gpt2()), smollm = try Tokenizer(try Fixtures.smollm())
    let tok512 = try Tokenizer(try Fixtures.tok512())
    expectFailure(.usage) { _ = try TokenSplits(of: smollm, in: gpt2) }
    expectFailure(.usage) { _ = try TokenSplits(of: tok512, in: gpt2) }
    let trimmed = try Tokenizer(try Self.trimmed("tok512").definition)
    expectFailure(.usage) { _ = try TokenSplits(of: trimmed, in: tok512) }
  }
}
