import Tensors
import Testing
import Tokenizers

/// Rules TOK-6 and TOK-8: words, merges and bytes.
@Suite struct ByteLevelTests {
  private func ids(_ json: String, _ text: String) throws -> [Int32] {
    try Tokenizer(try definition(json: json)).encode(text)
  }

  @Test func lowestRankMergesFirstLeftmostOfEquals() throws {
    let merges = ["b c", "a b", "a a", "aa a"]
    #expect(try ids(smallJSON(merges: merges), "abc") == [0, 8])
    #expect(try ids(smallJSON(merges: merges), "aaa") == [11])
    #expect(try ids(smallJSON(merges: ["a a"]), "aaaaa") == [8, 8, 0])
  }

  @Test func longAndShortRunsMergeAlike() throws {
    let tokenizer = try Tokenizer(try definition(json: smallJSON(merges: ["a b", "ab c", "c d", "ab a", "d e", "abc cd"])))
    let unit = "abcabcdeabacdeeabdc"
    let one = tokenizer.encode(unit + "1")
    let many = tokenizer.encode(String(repeating: unit + "1", count: 40).replacing("1", with: "1"))
    #expect(many == Array(repeatElement(one, count: 40).joined()))
    let unbroken = String(repeating: unit, count: 40)
    #expect(tokenizer.decode(tokenizer.encode(unbroken)) == Array(unbroken.utf8))
  }

  @Test func mergesDoNotCrossWords() throws {
    #expect(try ids(smallJSON(merges: ["a Ġ", "Ġ b"]), "a b") == [0, 9])
    #expect(try ids(smallJSON(merges: ["1 2"]), "12") == [8])
    let digits =
      #"{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":false}]}"#
    #expect(try ids(smallJSON(merges: ["1 2"], preTokenizer: digits), "12") == [6, 7])
  }

  @Test func bytesWithoutATokenAreDroppedOrUnknown() throws {
    #expect(try ids(smallJSON(merges: ["a b"]), "aZb") == [8])
    #expect(try ids(smallJSON(extra: ["U"], options: #","unk_token":"U""#), "aZb") == [0, 8, 1])
  }

  @Test func wholeWordsAreTakenWhereMergesAreIgnored() throws {
    let json = smallJSON(extra: ["abc"], options: #","ignore_merges":true"#)
    #expect(try ids(json, "abc") == [8])
    #expect(try ids(json, "abcd") == [0, 1, 2, 3])
  }

  @Test func prefixSpaceIsAddedOnce() throws {
    let prefixing = #"{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}"#
    #expect(try ids(smallJSON(preTokenizer: prefixing), "a b") == [5, 0, 5, 1])
    #expect(try ids(smallJSON(preTokenizer: prefixing), " a") == [5, 0])
  }

  @Test(
    arguments: [
      ("Isolated", false, [0, 8, 9, 8, 1]), ("Removed", false, [0, 9, 1]), ("Removed", true, [8, 8]),
      ("MergedWithPrevious", false, [10, 9, 8, 1]), ("MergedWithNext", false, [0, 8, 9, 11]),
      ("Contiguous", false, [0, 8, 9, 8, 1]),
    ] as [(String, Bool, [Int32])])
  func splitBehavesAsNamed(behavior: String, inverts: Bool, expected: [Int32]) throws {
    // "c" splits "accdcb" into a, c, c, d, c, b; merges show what stays together.
    let split =
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"c+"},"behavior":"\#(behavior)","invert":\#(inverts)},"#
      + #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}"#
    let json = smallJSON(merges: ["c c", "d Ġ", "a cc", "cc b"], preTokenizer: split)
    #expect(try ids(json, "accd ccb") == expected)
  }

  @Test func textIsNormalizedWhereNFCIsAskedFor() throws {
    let json = smallJSON(extra: ["Ã", "©"], normalizer: #"{"type":"NFC"}"#)
    #expect(try ids(json, "e\u{301}") == [8, 9])
    #expect(try ids(json.replacing(#"{"type":"NFC"}"#, with: "null"), "e\u{301}") == [4])
  }

  @Test func whiteSpaceIsUnicodesNotPerls() throws {
    // U+180E, white space in Perl, is kept; the ideographic space goes.
    let split =
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\s"},"behavior":"Removed","invert":false},"#
      + #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}"#
    let json = smallJSON(extra: ["á", "ł", "İ"], preTokenizer: split)
    #expect(try ids(json, "a\u{3000}b\u{180E}c") == [0, 1, 8, 9, 10, 2])
  }

  @Test func patternThatCostsTooMuchLosesNoBytes() throws {
    let split =
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(a|aa)+$|(a|a)+e"},"behavior":"Isolated"},"#
      + #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}"#
    let tokenizer = try Tokenizer(try definition(json: smallJSON(preTokenizer: split)))
    let text = String(repeating: "a", count: 5_000) + "b"
    #expect(tokenizer.decode(tokenizer.encode(text)) == Array(text.utf8))
  }

  @Test func emptyMatchesCutBetweenCharacters() throws {
    let split =
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"x*"},"behavior":"Isolated"},"#
      + #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}"#
    #expect(try ids(smallJSON(merges: ["a b"], preTokenizer: split), "ab") == [0, 1])
  }
}
