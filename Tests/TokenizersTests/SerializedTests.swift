import Tensors
import TestSupport
import Testing
import Tokenizers

/// Rule TOK-12: the serialized form.
@Suite struct SerializedTests {
  /// A definition that uses every field.
  private func full() throws -> TokenizerDefinition {
    var rules = ByteLevelRules()
    rules.steps = [
      .digits(individual: true), .punctuation(.contiguous), .gpt2,
      .split(.init(pattern: "x+", isRegex: false, behavior: .mergedWithNext, inverts: true)),
    ]
    (rules.addsPrefixSpace, rules.ignoresMerges, rules.emitsUnknown) = (true, true, true)
    var vocabulary = Vocabulary()
    for token in ["a", "b", "ba", "ab", "aba"] { vocabulary.append(token.utf8, type: .normal) }
    vocabulary.append("<s>".utf8, type: .control)
    vocabulary.append([], type: .unused)
    var definition = TokenizerDefinition(
      model: .byteLevel(rules), vocabulary: vocabulary,
      merges: [
        Merge(left: 3, right: 0, result: 4), Merge(left: 0, right: 1, result: 3), Merge(left: 1, right: 0, result: 2),
        Merge(left: 0, right: 2, result: 4),
      ],
      added: [AddedToken(id: 5, isSpecial: true, stripsLeft: true, stripsRight: true, isSingleWord: true, matching: .normalized)])
    (definition.bos, definition.eos, definition.unknown, definition.padding) = (5, [5, 0], 1, 2)
    (definition.addsBOS, definition.addsEOS) = (true, true)
    return definition
  }

  @Test func everyFieldSurvives() throws {
    let definition = try full()
    #expect(try TokenizerDefinition(serialized: definition.serialized()) == definition)
    var other = definition
    other.addsEOS = false
    #expect(try TokenizerDefinition(serialized: other.serialized()) == other)
    #expect(other.serialized() != definition.serialized())
  }

  /// TOK-19: one normalizer is a flag of byte-level rules, others are listed.
  @Test func normalizersSurvive() throws {
    var definition = try full()
    for normalizers in [[.nfc], [.nfc, .nfc], [.lowercase], TextNormalizer.allCases] {
      definition.normalizers = normalizers
      #expect(try TokenizerDefinition(serialized: definition.serialized()) == definition)
    }
    definition.normalizers = [TextNormalizer](repeating: .nfd, count: 65)
    #expect(failure { try definition.validate() }?.rule == "TOK-19")
  }

  @Test func scoresSurviveToTheBit() throws {
    var definition = try Fixtures.tok512()
    #expect(try TokenizerDefinition(serialized: definition.serialized()) == definition)
    definition.scores[7] = -0.5
    definition.scores[8] = .leastNonzeroMagnitude
    #expect(try TokenizerDefinition(serialized: definition.serialized()) == definition)
  }

  @Test func everyTruncationIsRefused() throws {
    let bytes = try full().serialized()
    for length in 0..<bytes.count {
      #expect(failure { _ = try TokenizerDefinition(serialized: Array(bytes.prefix(length))) }?.code == .badInput, "\(length)")
    }
    #expect(failure { _ = try TokenizerDefinition(serialized: bytes + [0]) }?.rule == "TOK-12")
  }

  @Test func flippedBytesNeverTrap() throws {
    for original in [try full().serialized(), try Fixtures.tok512().serialized()] {
      for position in stride(from: 0, to: original.count, by: original.count > 1000 ? 7 : 1) {
        for flip: UInt8 in [0x01, 0x80, 0xFF] {
          var bytes = original
          bytes[position] ^= flip
          if let definition = try? TokenizerDefinition(serialized: bytes) { _ = try? Tokenizer(definition).encode("abba 12") }
        }
      }
    }
  }

  @Test func countsBeyondTheDataAreRefusedBeforeAnythingIsAllocated() throws {
    var bytes = try full().serialized()
    for offset in 8..<12 { bytes[offset] = 0xFF }
    #expect(failure { _ = try TokenizerDefinition(serialized: bytes) }?.rule == "TOK-12")
    #expect(failure { _ = try TokenizerDefinition(serialized: Array("LTOK".utf8) + [9, 0]) }?.rule == "TOK-12")
    #expect(failure { _ = try TokenizerDefinition(serialized: []) }?.rule == "TOK-12")
  }

  @Test func tokensThatDoubleWithEveryMergeAreRefused() throws {
    var vocabulary = Vocabulary()
    var merges: [Merge] = []
    for id in 0..<16 {
      vocabulary.append([UInt8](repeating: 97, count: 1 << id), type: .normal)
      if id > 0 { merges.append(Merge(left: Int32(id - 1), right: Int32(id - 1), result: Int32(id))) }
    }
    let definition = TokenizerDefinition(model: .byteLevel(ByteLevelRules()), vocabulary: vocabulary, merges: merges)
    var bytes = definition.serialized()
    #expect(try TokenizerDefinition(serialized: bytes) == definition)
    // One more token of one more merge: 65,536 bytes.
    vocabulary.append([UInt8](repeating: 97, count: 1 << 16), type: .normal)
    merges.append(Merge(left: 15, right: 15, result: 16))
    bytes = TokenizerDefinition(model: .byteLevel(ByteLevelRules()), vocabulary: vocabulary, merges: merges).serialized()
    #expect(failure { _ = try TokenizerDefinition(serialized: bytes) }?.rule == "TOK-12")
  }

  @Test func definitionsThatDoNotHoldTogetherAreRefused() throws {
    let good = try full()
    var bad = good
    bad.bos = 7
    #expect(failure { try bad.validate() }?.rule == "TOK-3")
    bad = good
    bad.merges[0].result = 2
    #expect(failure { try bad.validate() }?.rule == "TOK-4")
    bad = good
    bad.merges[0].left = -1
    #expect(failure { _ = try Tokenizer(bad) }?.rule == "TOK-4")
    bad = good
    bad.scores = [1]
    #expect(failure { try bad.validate() }?.rule == "TOK-2")
    bad = good
    bad.added.append(AddedToken(id: 6, isSpecial: false))
    #expect(failure { try bad.validate() }?.rule == "TOK-3")
    bad = good
    bad.eos = []
    #expect(failure { try bad.validate() }?.rule == "TOK-3")
  }
}
