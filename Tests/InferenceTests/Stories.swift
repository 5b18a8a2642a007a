import Inference
import Models
import Tensors
import TestSupport
import Testing
import Tokenizers

/// The little story teller, loaded once.
struct Stories {
  let source: ModelSource
  let model: Transformer
  let tokenizer: Tokenizer

  static let shared = Result { try Stories(try ModelSource.open(safetensors: stories)) }

  init(_ source: ModelSource) throws {
    self.source = source
    model = try Transformer(source)
    tokenizer = try source.makeTokenizer()
  }

  /// A text and its greedy continuation, as `generated.txt` has them.
  static func generated() throws -> [(prompt: String, text: String)] {
    let file = try MappedFile(path: Fixtures.path("stories260K/generated.txt"))
    let content = file.withBytes(0..<file.count) { String(decoding: $0, as: UTF8.self) }
    return content.split(separator: "--- prompt: '").map { part in
      let lines = part.split(separator: "'\n", maxSplits: 1)
      return (String(lines[0]), String(lines[1].hasSuffix("\n") ? lines[1].dropLast() : lines[1]))
    }
  }

  func generator(_ options: GenerationOptions, endTokens: Set<Int32> = []) throws -> Generator {
    try Generator(model, tokenizer: tokenizer, endTokens: endTokens, options: options)
  }

  /// The likeliest next token after `tokens`, computed from nothing.
  func likeliest(after tokens: [Int32]) throws -> Int32 {
    var sampler = Sampler(.greedy)
    return sampler.sample(try Session(model, capacity: tokens.count).forward(tokens))
  }
}

extension GenerationOptions {
  /// Greedy, at most `maximumTokens`.
  static func greedy(_ maximumTokens: Int?, context: Int = 512, keep: Int = 0, stops: [String] = []) -> GenerationOptions {
    GenerationOptions(
      maximumTokens: maximumTokens, contextSize: context, keep: keep, stopStrings: stops, sampling: .greedy)
  }
}
