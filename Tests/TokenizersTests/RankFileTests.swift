import Tensors
import TestSupport
import Testing
import Tokenizers

/// Rank files of tiktoken and Tekken (TOK-14, TOK-15), and tokens that are added beside a tokenizer (TOK-16).
@Suite struct RankFileTests {
  private let scratch = TestFolder()

  /// GPT-2's tokens as ranks: the ids are the ranks.
  private func gpt2Ranks() throws -> [[UInt8]] {
    let definition = try Fixtures.gpt2()
    return (0..<50_256).map { Array(definition.vocabulary[$0]) }
  }

  private func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var result = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = Array(bytes[start..<min(start + 3, bytes.count)])
      let bits = (group + [0, 0]).prefix(3).reduce(0) { $0 << 8 | Int($1) }
      for place in 0..<4 { result.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : "=") }
    }
    return result
  }

  private func lines(_ tokens: [[UInt8]]) -> String {
    tokens.enumerated().map { base64($0.element) + " \($0.offset)\n" }.joined()
  }

  @Test func ranksGiveTheIDsOfTheMerges() throws {
    let path = try scratch.write("r50k_base.tiktoken", lines(try gpt2Ranks()))
    let tokenizer = try Tokenizer(try TokenizerDefinition.read(tiktoken: path))
    #expect(tokenizer.definition.eos == [50_256] && tokenizer.definition.vocabularySize == 50_257)
    for vector in try Fixtures.vectors() { #expect(tokenizer.encode(vector.text, addSpecial: false) == vector.gpt2) }
    #expect(try TokenizerDefinition.read(folder: scratch.path) == tokenizer.definition)
  }

  @Test func aRankFileMayBeCalledTokenizerModel() throws {
    try scratch.write("tokenizer.model", lines(try gpt2Ranks()))
    #expect(try TokenizerDefinition.read(folder: scratch.path)?.vocabularySize == 50_257)
  }

  @Test(
    arguments: [
      ("YQ== 0\nYg== 2\n", "TOK-14"), ("YQ== 0\nY*== 1\n", "TOK-14"), ("YQ== 0\nYg==\n", "TOK-14"),
      ("YQ== 0\nYg== 1\n", "TOK-14"),
      ("YQ== 0\n 1\n", "TOK-14"), ("", "TOK-14"),
    ])
  func brokenRankFilesAreRefused(content: String, rule: String) throws {
    let path = try scratch.write("x.tiktoken", content)
    #expect(failure { _ = try TokenizerDefinition.read(tiktoken: path) }?.rule == rule)
  }

  private func tekken(_ config: String, count: Int, special: String = "") throws -> String {
    let tokens = try gpt2Ranks().prefix(count).enumerated().map {
      #"{"rank":\#($0.offset),"token_bytes":"\#(base64($0.element))"}"#
    }
    return try scratch.write("tekken.json", #"{"config":{\#(config)},"vocab":[\#(tokens.joined(separator: ","))]\#(special)}"#)
  }

  @Test func tekkenPutsSpecialTokensFirst() throws {
    let config = #""pattern":" ?[a-z]+|\\s+|.","default_vocab_size":1020,"default_num_special_tokens":20"#
    let definition = try TokenizerDefinition.read(tekken: tekken(config, count: 1100))
    #expect(definition.vocabularySize == 1020 && definition.bos == 1 && definition.eos == [2] && definition.addsBOS)
    #expect(definition.vocabulary.text(of: 3) == "[INST]" && definition.vocabulary.type(of: 3) == .control)
    let tokenizer = try Tokenizer(definition)
    let plain = try Tokenizer(try Fixtures.gpt2())
    // " the" is a token of both.
    #expect(tokenizer.encode(" the", addSpecial: false) == plain.encode(" the", addSpecial: false).map { $0 + 20 })
    let named = try TokenizerDefinition.read(
      tekken: tekken(
        config, count: 1100, special: #","special_tokens":[{"rank":1,"token_str":"<s>"},{"rank":5,"token_str":"[X]"}]"#))
    #expect(named.vocabulary.text(of: 5) == "[X]" && named.vocabulary.text(of: 6) == "<SPECIAL_6>" && named.bos == 1)
  }

  @Test(
    arguments: [
      #""pattern":"x""#, #""pattern":"x","default_vocab_size":10,"default_num_special_tokens":20"#,
      #""pattern":"x","default_vocab_size":5000,"default_num_special_tokens":20"#,
      #""pattern":"x","default_vocab_size":99999999,"default_num_special_tokens":99999990"#,
      #""pattern":"x","default_vocab_size":120,"default_num_special_tokens":-1"#,
    ])
  func brokenTekkenFilesAreRefused(config: String) throws {
    let path = try tekken(config, count: 300)
    let error = failure { _ = try TokenizerDefinition.read(tekken: path) }
    #expect(["TOK-1", "TOK-15"].contains(error?.rule))
  }

  // MARK: TOK-16

  @Test func filesBesideATokenizerAddTokens() throws {
    try scratch.write("tokenizer.model", contents(Fixtures.path("tokenizers/tok512.model")))
    try scratch.write("added_tokens.json", #"{"[PAD]": 512, "  ": 514}"#)
    try scratch.write("special_tokens_map.json", #"{"pad_token": "[PAD]"}"#)
    let definition = try #require(try TokenizerDefinition.read(folder: scratch.path))
    #expect(definition.vocabularySize == 515 && definition.padding == 512 && definition.vocabulary.type(of: 513) == .unused)
    #expect(definition.vocabulary.type(of: 512) == .control && definition.vocabulary.type(of: 514) == .userDefined)
    let tokenizer = try Tokenizer(definition)
    #expect(tokenizer.encode("[PAD]", addSpecial: false, parseSpecial: true) == [512])
    #expect(!tokenizer.encode("[PAD]", addSpecial: false).contains(512))
    try scratch.write(
      "tokenizer_config.json",
      #"{"added_tokens_decoder": {"515": {"content": "<x>", "lstrip": true, "special": true}, "1": {"content": "<s>", "special": true}}}"#
    )
    let more = try #require(try TokenizerDefinition.read(folder: scratch.path))
    #expect(more.added.contains(AddedToken(id: 515, isSpecial: true, stripsLeft: true)))
  }

  @Test(arguments: [#"{"a": -1}"#, #"{"a": 3}"#, #"{"a": 99999999}"#, #"{"": 512}"#, #"{"a": "b"}"#])
  func addedTokensThatDoNotFitAreRefused(content: String) throws {
    try scratch.write("tokenizer.model", contents(Fixtures.path("tokenizers/tok512.model")))
    try scratch.write("added_tokens.json", content)
    let error = failure { _ = try TokenizerDefinition.read(folder: scratch.path) }
    #expect(["TOK-2", "TOK-16"].contains(error?.rule) && error?.file?.hasSuffix("added_tokens.json") == true)
  }
}
