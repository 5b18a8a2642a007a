import Tensors
import TestSupport
import Testing
import Tokenizers

/// Model directories, and what they say beside the tokenizer.
@Suite struct FolderTests {
  private let added =
    #"[{"id":8,"content":"<s>","special":true},{"id":9,"content":"</s>","special":true},{"id":10,"content":"<e>","special":true}]"#

  @Test func aFolderWithoutTokenizerHasNone() throws {
    #expect(try TokenizerDefinition.read(folder: TestFolder().path) == nil)
  }

  @Test func specialTokensAreNamedBesideTheTokenizer() throws {
    let scratch = TestFolder()
    try scratch.write("tokenizer.json", smallJSON(added: added))
    try scratch.write(
      "tokenizer_config.json", #"{"bos_token":{"content":"<s>"},"eos_token":"</s>","pad_token":null,"add_bos_token":true}"#)
    try scratch.write("generation_config.json", #"{"eos_token_id":[9,10]}"#)
    let definition = try #require(try TokenizerDefinition.read(folder: scratch.path))
    #expect(definition.bos == 8 && definition.addsBOS && !definition.addsEOS)
    #expect(definition.eos == [9, 10])
    #expect(definition.padding == nil)
  }

  @Test func namesAndIDsThatDoNotExistAreRefused() throws {
    let scratch = TestFolder()
    try scratch.write("tokenizer.json", smallJSON(added: added))
    try scratch.write("tokenizer_config.json", #"{"bos_token":"<nope>"}"#)
    let error = try #require(failure { _ = try TokenizerDefinition.read(folder: scratch.path) })
    #expect(error.rule == "TOK-3" && error.file?.hasSuffix("tokenizer_config.json") == true)
    try scratch.write("tokenizer_config.json", "{}")
    try scratch.write("generation_config.json", #"{"eos_token_id":11}"#)
    #expect(failure { _ = try TokenizerDefinition.read(folder: scratch.path) }?.rule == "TOK-3")
  }

  @Test func tokenizerBinNeedsTheNumberOfTokens() throws {
    let scratch = TestFolder()
    try scratch.write("tokenizer.bin", contents(Fixtures.path("tokenizers/tok512.bin")))
    #expect(failure { _ = try TokenizerDefinition.read(folder: scratch.path) }?.rule == "TOK-10")
    #expect(try TokenizerDefinition.read(folder: scratch.path, vocabularySize: 512)?.vocabularySize == 512)
  }

  @Test func whatIsWrittenIsReadBackFromAFolder() throws {
    var definition = try Fixtures.smollm()
    (definition.bos, definition.eos, definition.padding) = (1, [2], 2)
    let scratch = TestFolder()
    try scratch.write("tokenizer.json", definition.tokenizerJSON())
    try scratch.write("tokenizer_config.json", definition.tokenizerConfigJSON(chatTemplate: "{{ '\"\n' }}"))
    #expect(try TokenizerDefinition.read(folder: scratch.path) == definition)
    let config = try decodeJSON(JSONValue.self, file: MappedFile(path: scratch.path + "/tokenizer_config.json"))
    #expect(config["chat_template"]?.string == "{{ '\"\n' }}")
    #expect(config["eos_token"]?.string == "<|im_end|>")
    #expect(config["tokenizer_class"]?.string == "PreTrainedTokenizerFast")
  }
}
