import Tensors
import Testing
import Tokenizers

/// Rule TOK-11: tokenizers in GGUF files.
@Suite struct GGUFFieldsTests {
  private func small() -> GGUFTokenizerFields {
    var fields = GGUFTokenizerFields(model: "gpt2", tokens: ["a", "b", "ab", "<s>"].map { Array($0.utf8) })
    fields.pre = "gpt-2"
    fields.types = [1, 1, 1, 3]
    fields.merges = [Array("a b".utf8)]
    fields.bos = 3
    return fields
  }

  @Test func fieldsBecomeATokenizer() throws {
    let tokenizer = try Tokenizer(try TokenizerDefinition(gguf: small()))
    #expect(tokenizer.encode("ab") == [2])
    #expect(tokenizer.encode("<s>ab", parseSpecial: true) == [3, 2])
    #expect(tokenizer.definition.bos == 3 && !tokenizer.definition.addsBOS)
  }

  @Test(arguments: [
    ("gpt-2", "a123", 2), ("smollm", "a123", 4), ("llama-bpe", "a1234", 3), ("qwen2", "a12", 3), ("default", "a1234", 3),
    ("falcon", "a1234", 3),
  ])
  func preTokenizersCutAsTheirNamesSay(pre: String, text: String, words: Int) throws {
    var fields = small()
    fields.pre = pre
    let digits = ["1", "2", "3", "4", "12", "123", "23", "34", "234", "1234"]
    fields.tokens = ["a"].map { Array($0.utf8) } + digits.map { Array($0.utf8) }
    fields.types = nil
    fields.bos = nil
    fields.merges = ["1 2", "12 3", "123 4", "2 3", "3 4", "23 4"].map { Array($0.utf8) }
    #expect(try Tokenizer(try TokenizerDefinition(gguf: fields)).encode(text).count == words)
  }

  @Test func namesSurviveTheRoundTrip() throws {
    for name in ["gpt-2", "smollm", "llama-bpe", "qwen2", "falcon", "default"] {
      var fields = small()
      fields.pre = name
      #expect(try TokenizerDefinition(gguf: fields).ggufFields().pre == name)
    }
  }

  @Test func brokenFieldsAreRefused() throws {
    func rule(_ change: (inout GGUFTokenizerFields) -> Void) -> String? {
      var fields = small()
      change(&fields)
      return failure { _ = try TokenizerDefinition(gguf: fields) }?.rule
    }
    #expect(rule { $0.model = "bert" } == "TOK-11")
    #expect(rule { $0.pre = "no-such" } == "TOK-11")
    #expect(rule { $0.merges = nil } == "TOK-11")
    #expect(rule { $0.types = [1] } == "TOK-11")
    #expect(rule { $0.types = [1, 1, 1, 77] } == "TOK-11")
    #expect(rule { $0.types = [1, 1, 1, -1] } == "TOK-11")
    #expect(rule { $0.scores = [1] } == "TOK-11")
    #expect(rule { $0.model = "llama" } == "TOK-11")
    #expect(rule { $0.tokens = [] } == "TOK-1")
    #expect(rule { $0.bos = 4 } == "TOK-3")
    #expect(rule { $0.eos = -2 } == "TOK-3")
    #expect(rule { $0.merges = [Array("b a".utf8)] } == "TOK-4")
    #expect(rule { $0.tokens[1] = Array("a".utf8) } == "TOK-2")
  }

  @Test func tokensThatAreNotUTF8AreRefusedInSentencePiece() throws {
    var fields = GGUFTokenizerFields(model: "llama", tokens: [[0xFF], [0x61]])
    fields.scores = [0, 0]
    #expect(failure { _ = try TokenizerDefinition(gguf: fields) }?.rule == "TOK-5")
  }
}
