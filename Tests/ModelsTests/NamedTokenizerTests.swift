import Models
import Tensors
import TestSupport
import Testing
import Tokenizers

/// A tokenizer that is named by itself, in whatever file.
struct NamedTokenizerTests {
  @Test(arguments: [
    "stories260K", "stories260K/tokenizer.model", "stories260K/tok512.bin", "stories260K/stories260K-f32.gguf",
  ])
  func everyFileGivesItsTokenizer(name: String) throws {
    let definition = try TokenizerDefinition.read(anything: Fixtures.path(name), vocabularySize: 512)
    #expect(definition.vocabularySize == 512)
    #expect(try Tokenizer(definition).encode("Once upon a time") == [1, 403, 407, 261, 378])
  }

  @Test func whereThereIsNoneItIsMissing() throws {
    let folder = TestFolder()
    expectFailure(.missingInput) { _ = try TokenizerDefinition.read(anything: folder.path, vocabularySize: 512) }
    for name in ["a.json", "a.model", "a.gguf", "a.bin"] {
      expectFailure(.missingInput) { _ = try TokenizerDefinition.read(anything: folder.path + "/" + name, vocabularySize: 512) }
    }
    let gguf = Fixtures.path("gguf/blocks.gguf")
    expectFailure(.missingInput) { _ = try TokenizerDefinition.read(anything: gguf, vocabularySize: 512) }
  }
}
