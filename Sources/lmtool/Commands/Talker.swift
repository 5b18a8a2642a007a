import Inference
import Models
import Tensors
import Tokenizers

/// A model ready to generate.
struct Talker {
  let tokenizer: Tokenizer
  let generator: Generator

  /// Loads the model; `stops` end an answer besides the user's own, as text and, where they are special tokens, as such.
  init(_ source: ModelSource, _ talk: TalkOptions, stops: [String], console: Console) throws(LMToolError) {
    let tokenizer = try source.makeTokenizer()
    let model = try console.withProgress { (progress) throws(LMToolError) in try Transformer(source, progress: progress) }
    var options = talk.context.options(sampling: talk.sampling, contextLength: source.spec.contextLength)
    options.stopStrings += stops
    if let size = talk.context.ctxSize, size > source.spec.contextLength {
      console.warn("the model was made for \(source.spec.contextLength) tokens; what it says beyond that may be nonsense")
    }
    self.tokenizer = tokenizer
    let ends = source.endTokens.union(stops.compactMap { tokenizer.definition.specialToken(spelled: $0) })
    generator = try Generator(model, tokenizer: tokenizer, endTokens: ends, options: options)
  }
}

extension GenerationReport {
  /// "prompt 5 tokens, 812.3 tokens/s; answer 200 tokens, 151.0 tokens/s".
  var rates: String {
    "prompt \(promptTokens) tokens, \(promptRate.fixed(1)) tokens/s; generated \(tokens.count) tokens, \(decodeRate.fixed(1)) tokens/s"
  }
}
