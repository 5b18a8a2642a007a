import Tensors
import TestSupport
import Testing
import Tokenizers

/// Token ids as Hugging Face `tokenizers` and Google's `sentencepiece` make them.
@Suite struct VectorTests {
  @Test func gpt2FromVocabularyFilesMakesTheReferenceIDs() throws {
    let tokenizer = try Tokenizer(try Fixtures.gpt2())
    for vector in try Fixtures.vectors() {
      #expect(tokenizer.encode(vector.text, addSpecial: false) == vector.gpt2, "\(vector.text.debugDescription)")
      #expect(tokenizer.decode(vector.gpt2) == Array(vector.text.utf8))
    }
  }

  @Test func smollmFromTokenizerJSONMakesTheReferenceIDs() throws {
    let tokenizer = try Tokenizer(try Fixtures.smollm())
    for vector in try Fixtures.vectors() {
      #expect(tokenizer.encode(vector.text, addSpecial: false) == vector.smollm, "\(vector.text.debugDescription)")
    }
  }

  @Test func sentencePieceModelMakesTheReferenceIDs() throws {
    let tokenizer = try Tokenizer(try Fixtures.tok512())
    for vector in try Fixtures.vectors() {
      #expect(tokenizer.encode(vector.text, addSpecial: false) == vector.tok512, "\(vector.text.debugDescription)")
    }
  }

  @Test func llama2cFileMakesTheIDsOfItsModelWhereNoSpacesAreRemoved() throws {
    let tokenizer = try Tokenizer(try .read(llama2c: Fixtures.path("tokenizers/tok512.bin"), vocabularySize: 512))
    let vectors = try Fixtures.vectors().filter {
      !$0.text.contains("  ") && !$0.text.hasPrefix(" ") && !$0.text.hasSuffix(" ") && !$0.text.hasSuffix("▁")
    }
    #expect(vectors.count > 100)
    for vector in vectors {
      #expect(tokenizer.encode(vector.text, addSpecial: false) == vector.tok512, "\(vector.text.debugDescription)")
    }
  }

  @Test(arguments: ["gpt2", "smollm", "tok512"])
  func everyFormOfATokenizerMakesTheSameIDs(name: String) throws {
    let original = try ["gpt2": Fixtures.gpt2, "smollm": Fixtures.smollm, "tok512": Fixtures.tok512][name]?()
    let definition = try #require(original)
    let scratch = TestFolder()
    let forms = [
      try TokenizerDefinition(serialized: definition.serialized()), try TokenizerDefinition(gguf: definition.ggufFields()),
      try TokenizerDefinition.read(tokenizerJSON: scratch.write("tokenizer.json", definition.tokenizerJSON())),
    ]
    #expect(forms[0] == definition)
    #expect(forms[1] == definition)
    let expected = try Tokenizer(definition)
    for tokenizer in try forms.map({ try Tokenizer($0) }) {
      for vector in try Fixtures.vectors() {
        #expect(tokenizer.encode(vector.text) == expected.encode(vector.text), "\(vector.text.debugDescription)")
      }
    }
  }

  @Test func serializedFormIsTheSameEveryTimeAndSmall() throws {
    let definition = try Fixtures.smollm()
    #expect(definition.serialized() == definition.serialized())
    #expect(definition.serialized().count < 400_000)
    #expect(definition.vocabularySize == 49_152)
  }

  @Test func longTextWithoutWordBreaksIsMergedWhole() throws {
    let text = String(repeating: "theandingsaid", count: 25_000)
    for definition in [try Fixtures.gpt2(), try Fixtures.tok512()] {
      let tokenizer = try Tokenizer(definition)
      let ids = tokenizer.encode(text, addSpecial: false)
      #expect(tokenizer.decode(ids) == Array(text.utf8))
      // Periodic text has periodic tokens, away from its ends.
      #expect(ids.count < text.utf8.count)
      #expect(Array(tokenizer.encode(String(text.prefix(32_000)), addSpecial: false).prefix(5_000)) == Array(ids.prefix(5_000)))
    }
  }
}
