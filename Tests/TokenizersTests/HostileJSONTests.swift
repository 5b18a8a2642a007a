import Tensors
import TestSupport
import Testing
import Tokenizers

/// Rules TOK-1 to TOK-8: a broken tokenizer.json is refused with the rule that it breaks.
@Suite struct HostileJSONTests {
  @Test(arguments: [
    ("", "TOK-6"), ("{", "TOK-6"), ("[1,2", "TOK-6"), ("{\"model\":1}", "TOK-6"), ("nul", "TOK-6"), ("{}", "TOK-6"),
    ("{}{}", "TOK-6"),
    (String(repeating: "[", count: 100_000), "TOK-6"), (#"{"model":{"type":"Unigram","vocab":[]}}"#, "TOK-6"),
    (#"{"model":{"type":"WordPiece","vocab":{}}}"#, "TOK-6"), (#"{"a":"\ud800"}"#, "TOK-6"), (#"{"a":"\u12"}"#, "TOK-6"),
    ("{\"a\":\"", "TOK-6"),
  ])
  func brokenOrForeignJSONIsRefused(json: String, rule: String) throws {
    #expect(failure { _ = try definition(json: json) }?.rule == rule, "\(json.prefix(50))")
  }

  @Test func stringsThatAreNotUTF8AreRefused() throws {
    let scratch = TestFolder()
    let path = try scratch.write("tokenizer.json", Array("{\"model\":\"".utf8) + [0xFF, 0xFE] + Array("\"}".utf8))
    #expect(failure { _ = try TokenizerDefinition.read(tokenizerJSON: path) }?.rule == "TOK-6")
  }

  @Test(
    arguments: [
      (#"{"type":"BertNormalizer"}"#, nil), (#"{"type":"Prepend","prepend":"a"}"#, nil),
      (nil, #"{"type":"Whitespace"}"#), (nil, #"{"type":"BertPreTokenizer"}"#),
      (nil, #"{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}"#),
    ] as [(String?, String?)])
  func unknownPartsAreNamed(normalizer: String?, preTokenizer: String?) throws {
    let byteLevel = #"{"type":"ByteLevel"}"#
    let json = smallJSON(normalizer: normalizer ?? "null", preTokenizer: preTokenizer ?? byteLevel)
    let error = try #require(failure { _ = try definition(json: json) })
    #expect(error.rule == "TOK-6")
    #expect(error.message.contains("not supported"))
    #expect(error.file?.hasSuffix("tokenizer.json") == true)
  }

  @Test(arguments: [
    "(", "[a", "a{99999999}", "(?<n>", "\\h+", "\\bword", "[a-z&&[aeiou]]", "\\", "\\p{NoSuchScript}", "(?C1)(*FAIL", "\\Qx",
  ])
  func brokenPatternsAreRefused(pattern: String) throws {
    let escaped = pattern.replacing("\\", with: "\\\\")
    let split =
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\#(escaped)"},"behavior":"Isolated"},{"type":"ByteLevel"}]}"#
    let definition = try definition(json: smallJSON(preTokenizer: split))
    #expect(failure { _ = try Tokenizer(definition) }?.rule == "TOK-8")
  }

  @Test func deeplyNestedPatternsAreRefused() throws {
    let pattern = String(repeating: "(", count: 20_000) + String(repeating: ")", count: 20_000)
    let split =
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\#(pattern)"},"behavior":"Isolated"},{"type":"ByteLevel"}]}"#
    let definition = try definition(json: smallJSON(preTokenizer: split))
    #expect(failure { _ = try Tokenizer(definition) }?.rule == "TOK-8")
  }

  @Test(arguments: [
    (#""a":0,"a":1"#, "TOK-2"), (#""a":0,"b":0"#, "TOK-2"), (#""a":-1"#, "TOK-2"), (#""a":1.5"#, "TOK-2"),
    (#""a":2147483647"#, "TOK-2"),
    (#""a":1e300"#, "TOK-2"), (#""a":"0""#, "TOK-2"), ("", "TOK-1"),
  ])
  func brokenVocabulariesAreRefused(words: String, rule: String) throws {
    let json = #"{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","merges":[],"vocab":{\#(words)}}}"#
    #expect(failure { _ = try definition(json: json) }?.rule == rule, "\(words)")
  }

  @Test(arguments: [#""a b""#, #""a""#, #""a  b""#, #""z a""#, #"["a"]"#, #"["a","b","c"]"#, "1", #"["a","z"]"#])
  func brokenMergesAreRefused(merge: String) throws {
    let json = #"{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","merges":[\#(merge)],"vocab":{"a":0,"b":1}}}"#
    #expect(failure { _ = try definition(json: json) }?.rule == "TOK-4", "\(merge)")
  }

  @Test(arguments: [
    #"[{"id":0,"content":"zz"}]"#, #"[{"id":99,"content":"a"}]"#, #"[{"id":9999999,"content":"zz"}]"#,
    #"[{"id":-5,"content":"zz"}]"#, #"[{"content":"zz"}]"#, #"[{"id":9}]"#,
  ])
  func addedTokensThatContradictTheVocabularyAreRefused(added: String) throws {
    let error = try #require(failure { _ = try definition(json: smallJSON(added: added)) })
    #expect(error.rule == "TOK-2" || error.rule == "TOK-3")
  }

  @Test func gapsAreUnusedTokens() throws {
    let json = #"{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","merges":[],"vocab":{"a":0,"b":5}}}"#
    let definition = try definition(json: json)
    #expect(definition.vocabularySize == 6)
    #expect(definition.vocabulary.type(of: 3) == .unused)
    #expect(try Tokenizer(definition).encode("ab", addSpecial: false) == [0, 5])
  }
}
