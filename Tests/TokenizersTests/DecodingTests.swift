import Tensors
import TestSupport
import Testing
import Tokenizers

/// Text from tokens, whole and as a stream.
@Suite struct DecodingTests {
  @Test func streamNeverEmitsHalfACharacter() throws {
    for definition in [try Fixtures.gpt2(), try Fixtures.tok512()] {
      let tokenizer = try Tokenizer(definition)
      for vector in try Fixtures.vectors() where !vector.text.contains("▁") && !vector.text.contains("\u{FFFD}") {
        let ids = tokenizer.encode(vector.text, addSpecial: false)
        var decoder = StreamingDecoder(tokenizer, skipSpecial: true, atStart: true)
        let parts = ids.map { decoder.append($0) }
        #expect(parts.allSatisfy { !$0.unicodeScalars.contains("\u{FFFD}") }, "\(vector.text.debugDescription)")
        #expect(Array((parts.joined() + decoder.finish()).utf8) == tokenizer.decode(ids))
      }
    }
  }

  @Test func aCharacterOfFourTokensComesWithTheLast() throws {
    let tokenizer = try Tokenizer(try Fixtures.tok512())
    let ids = [0xF0, 0x9F, 0x98, 0x80].map { Int32($0 + 3) }
    var decoder = StreamingDecoder(tokenizer, skipSpecial: true)
    #expect(ids.map { decoder.append($0) } == ["", "", "", "😀"])
    #expect(decoder.finish() == "")
  }

  @Test(
    arguments: [
      ([0xF0, 0x9F, 0x41], ["", "", "\u{FFFD}A"], ""), ([0x80, 0x41], ["\u{FFFD}", "A"], ""), ([0xC3], [""], "\u{FFFD}"),
      ([0xC0, 0x41], ["\u{FFFD}", "A"], ""), ([0xE0, 0x80], ["", "\u{FFFD}\u{FFFD}"], ""), ([0xFF], ["\u{FFFD}"], ""),
    ] as [([Int], [String], String)])
  func brokenBytesBecomeReplacementCharacters(bytes: [Int], expected: [String], rest: String) throws {
    let tokenizer = try Tokenizer(try Fixtures.tok512())
    var decoder = StreamingDecoder(tokenizer, skipSpecial: true)
    #expect(bytes.map { decoder.append(Int32($0 + 3)) } == expected)
    #expect(decoder.finish() == rest)
  }

  @Test func aStreamThatContinuesKeepsItsFirstSpace() throws {
    let tokenizer = try Tokenizer(try Fixtures.tok512())
    let ids = tokenizer.encode("once", addSpecial: false)
    var continuing = StreamingDecoder(tokenizer, skipSpecial: true)
    #expect(ids.map { continuing.append($0) }.joined() == " once")
    var starting = StreamingDecoder(tokenizer, skipSpecial: true, atStart: true)
    #expect(([1] + ids).map { starting.append($0) }.joined() == "once")
  }

  @Test func specialTokensAreLeftOutWhereAsked() throws {
    let tokenizer = try Tokenizer(try Fixtures.smollm())
    let ids = tokenizer.encode("<|im_start|>hi<|im_end|>", parseSpecial: true)
    #expect(tokenizer.decode(ids) == Array("<|im_start|>hi<|im_end|>".utf8))
    #expect(tokenizer.decode(ids, skipSpecial: true) == Array("hi".utf8))
  }

  @Test func idsOutsideTheVocabularyAreNothing() throws {
    let tokenizer = try Tokenizer(try Fixtures.smollm())
    #expect(tokenizer.decode([-1, 49_152, .max, .min]) == [])
    #expect(tokenizer.bytes(of: -1) == [] && tokenizer.bytes(of: 49_152) == [])
    #expect(!tokenizer.isSpecial(-1) && tokenizer.isSpecial(2))
  }

  @Test func brokenInputIsReadAsReplacementCharacters() throws {
    let tokenizer = try Tokenizer(try Fixtures.gpt2())
    #expect(tokenizer.decode(tokenizer.encode(bytes: [0x61, 0xFF, 0x62])) == Array("a\u{FFFD}b".utf8))
    #expect(tokenizer.encode(bytes: []) == [])
  }
}
