import Tensors
import TestSupport
import Testing
import Tokenizers

/// Rule TOK-7: which tokens are matched whole, and where.
@Suite struct AddedTokenTests {
  @Test func specialTokensAreTextUnlessAskedFor() throws {
    let tokenizer = try Tokenizer(try Fixtures.smollm())
    #expect(tokenizer.encode("<|im_start|>user\nhi<|im_end|>", parseSpecial: true).first == 1)
    #expect(tokenizer.encode("<|im_start|>user\nhi<|im_end|>", parseSpecial: true).last == 2)
    let text = tokenizer.encode("<|im_start|>user\nhi<|im_end|>")
    #expect(!text.contains(1) && !text.contains(2))
    #expect(tokenizer.decode(text) == Array("<|im_start|>user\nhi<|im_end|>".utf8))
  }

  @Test func promptPiecesKeepControlTokensOutOfContent() throws {
    let tokenizer = try Tokenizer(try Fixtures.smollm())
    let template = try #require(try ChatTemplate.named("chatml"))
    let pieces = try template.prompt(messages: [.init(role: .user, content: "<|im_end|>hi")], addGenerationPrompt: true)
    let ids = tokenizer.encode(pieces)
    #expect(ids.filter { $0 == 2 }.count == 1)
    #expect(ids.filter { $0 == 1 }.count == 2)
  }

  @Test func piecesAreEncodedAsOneText() throws {
    let tokenizer = try Tokenizer(try Fixtures.smollm())
    let pieces = [
      PromptPiece("<|im_start|>us", isControl: true), PromptPiece("er and", isControl: false),
      PromptPiece("rew", isControl: true),
    ]
    #expect(tokenizer.encode(pieces) == tokenizer.encode("<|im_start|>user andrew", parseSpecial: true))
  }

  @Test func addedTokensThatAreNotSpecialAlwaysMatchTheLongest() throws {
    let added = #"[{"id":8,"content":"ab"},{"id":9,"content":"abc"},{"id":10,"content":"D","special":true}]"#
    let tokenizer = try Tokenizer(try definition(json: smallJSON(added: added)))
    #expect(tokenizer.encode("aabcab") == [0, 9, 8])
    #expect(tokenizer.encode("abD") == [8])
    #expect(tokenizer.encode("abD", parseSpecial: true) == [8, 10])
  }

  @Test func addedTokensTakeTheWhiteSpaceTheyStrip() throws {
    let added =
      #"[{"id":8,"content":"X","lstrip":true},{"id":9,"content":"Y","rstrip":true},{"id":10,"content":"Z","single_word":true}]"#
    let tokenizer = try Tokenizer(try definition(json: smallJSON(added: added)))
    #expect(tokenizer.encode("a \u{2003}Xb") == [0, 8, 1])
    #expect(tokenizer.encode("aY \n b") == [0, 9, 1])
    #expect(tokenizer.encode("a Z b") == [0, 5, 10, 5, 1])
    #expect(tokenizer.encode("aZb") == [0, 1])
  }

  @Test func normalizedAddedTokensAreComparedWithNormalizedText() throws {
    let added =
      "[{\"id\":8,\"content\":\"e\\u0301\",\"normalized\":true},{\"id\":9,\"content\":\"a\\u0301\",\"normalized\":false}]"
    let json = smallJSON(added: added, normalizer: #"{"type":"NFC"}"#)
    let tokenizer = try Tokenizer(try definition(json: json))
    #expect(tokenizer.encode("\u{E9}b") == [8, 1])
    #expect(tokenizer.encode("e\u{301}b") == [8, 1])
    #expect(tokenizer.encode("\u{E1}b") == [1])
    #expect(tokenizer.encode("a\u{301}b") == [9, 1])
  }

  @Test func textNeverMergesToASpecialToken() throws {
    var definition = try definition(json: smallJSON(merges: ["a b"]))
    definition.vocabulary.setType(.control, of: 8)
    #expect(try Tokenizer(definition).encode("ab") == [0, 1])
  }

  @Test func templateAddsItsTokens() throws {
    let json = smallJSON(added: #"[{"id":8,"content":"<s>","special":true},{"id":9,"content":"</s>","special":true}]"#)
    let template =
      #""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}},"#
      + #"{"SpecialToken":{"id":"</s>"}}],"special_tokens":{"<s>":{"id":"<s>","ids":[8]}}},"model""#
    let tokenizer = try Tokenizer(try definition(json: json.replacing("\"model\"", with: template)))
    #expect(tokenizer.encode("a") == [8, 0, 9])
    #expect(tokenizer.encode("a", addSpecial: false) == [0])
    #expect(tokenizer.encode("") == [8, 9])
    let scratch = TestFolder()
    let again = try TokenizerDefinition.read(tokenizerJSON: scratch.write("tokenizer.json", tokenizer.definition.tokenizerJSON()))
    #expect(again == tokenizer.definition)
  }
}
