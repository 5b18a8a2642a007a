import ArgumentParser
import Inference
import Kernels

/// How much text a model sees and writes.
struct ContextArguments: ParsableArguments {
  /// The context that is used unless `--ctx-size` asks for another, where the model was made for more.
  static let usualContext = 4096

  @Option(
    help: ArgumentHelp(
      "Tokens of prompt and answer that the model sees at once (default: what it was made for, at most \(usualContext)).",
      valueName: "n"))
  var ctxSize: Int?

  @Option(
    help: ArgumentHelp(
      "When the context is full, keep its first n tokens and go on with the later half of the rest.", valueName: "n"))
  var keep = 0

  @Option(
    help: ArgumentHelp(
      "How to hold keys and values of past tokens. Smaller saves memory in long contexts.",
      valueName: "type"))
  var kvType = CacheType.f16

  @Option(help: ArgumentHelp("Write at most n tokens (default: until the model ends).", valueName: "n"))
  var maxTokens: Int?

  @Option(help: ArgumentHelp("End when this text is written; it is not shown. May be given several times.", valueName: "text"))
  var stop: [String] = []

  func validate() throws {
    guard maxTokens ?? 1 >= 1 else { throw ValidationError("--max-tokens must be 1 or more") }
    guard (8...(1 << 24)).contains(ctxSize ?? 8) else { throw ValidationError("--ctx-size must be from 8 to 16777216") }
    guard keep >= 0 else { throw ValidationError("--keep must be 0 or more") }
  }

  /// The options for generating with a model that was made for contexts of `contextLength` tokens.
  func options(sampling: SamplingArguments, contextLength: Int) -> GenerationOptions {
    GenerationOptions(
      maximumTokens: maxTokens, contextSize: ctxSize ?? max(8, min(contextLength, Self.usualContext)), keep: keep,
      stopStrings: stop, sampling: sampling.options, cache: kvType.format)
  }
}

/// A format of keys and values on the command line.
enum CacheType: String, ExpressibleByArgument, CaseIterable {
  case f32, f16, int8, int4

  var format: CacheFormat {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .int8: .int8
    case .int4: .int4
    }
  }
}
