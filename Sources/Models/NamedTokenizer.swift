import Checkpoints
import Tensors
import Tokenizers

extension TokenizerDefinition {
  /// Reads a tokenizer that was named by itself: a model directory, tokenizer.json, tekken.json, a .model of SentencePiece or
  /// tiktoken, a .tiktoken file, a llama2.c .bin or a GGUF file.
  ///
  /// - Throws: `missingInput` when there is none.
  public static func read(anything path: String, vocabularySize: Int) throws(LMToolError) -> TokenizerDefinition {
    if isFolder(path) {
      guard let definition = try read(folder: path, vocabularySize: vocabularySize) else {
        throw LMToolError(.missingInput, "there is no tokenizer in this folder", file: path)
      }
      return definition
    }
    if path.hasSuffix("tekken.json") { return try read(tekken: path) }
    if path.hasSuffix(".json") { return try read(tokenizerJSON: path) }
    if path.hasSuffix(".model") { return try read(model: path) }
    if path.hasSuffix(".tiktoken") { return try read(tiktoken: path) }
    if path.hasSuffix(".gguf") {
      let text = GGUFText(try GGUFFile(path: path))
      if let problem = text.problem { throw problem }
      if let definition = text.tokenizer { return definition }
      throw LMToolError(.missingInput, "there is no tokenizer in this file", file: path)
    }
    return try read(llama2c: path, vocabularySize: vocabularySize)
  }
}
