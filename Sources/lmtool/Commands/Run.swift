import ArgumentParser
import Artifacts
import Inference
import Models
import Tensors
import Tokenizers

extension LMTool {
  /// `lmtool run`.
  struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Continue a text with a model, token by token.",
      discussion: """
        The text appears as it is generated; token rates follow on standard error. Special tokens in the prompt count as \
        plain text unless --special is given. Without a prompt, models that start texts with BOS begin a text of their own.

          lmtool run stories.lmz -p "Once upon a time" --max-tokens 200
          lmtool run smollm2.lmz -p "The capital of France is" --temperature 0
        """)

    @Argument(help: "A model of any kind.", completion: .file())
    var model: String
    @Option(name: [.short, .long], help: "The text to continue.")
    var prompt: String?
    @Flag(help: "Let the prompt contain special tokens, such as <|im_start|>.")
    var special = false
    @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
    var tokenizer: String?
    @OptionGroup(title: "Sampling") var sampling: SamplingArguments
    @OptionGroup(title: "Context") var context: ContextArguments
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func run() throws {
      threads.apply()
      let console = speech.console
      let talker = try Talker(model, tokenizer: tokenizer, sampling: sampling, context: context, stops: [], console: console)
      var ids = talker.tokenizer.encode(prompt ?? "", addSpecial: true, parseSpecial: special)
      if talker.tokenizer.definition.addsEOS, ids.last == talker.tokenizer.definition.eos.first { ids.removeLast() }
      if let prompt { _ = console.stream(prompt) }
      let report = try talker.generator.generate(ids) { console.stream($0) }
      console.print()
      console.note(report.rates)
    }
  }
}

/// A model ready to generate.
struct Talker {
  let source: ModelSource
  let tokenizer: Tokenizer
  let generator: Generator

  /// Opens and loads the model.
  init(
    _ path: String, tokenizer named: String?, sampling: SamplingArguments, context: ContextArguments, stops: [String],
    console: Console
  ) throws(LMToolError) {
    let source = try ModelSource.open(path, tokenizer: named)
    let tokenizer = try source.makeTokenizer()
    let model = try console.withProgress { (progress) throws(LMToolError) in try Transformer(source, progress: progress) }
    var options = context.options(sampling: sampling, contextLength: source.spec.contextLength)
    options.stopStrings += stops
    if let size = context.ctxSize, size > source.spec.contextLength {
      console.warn("the model was made for \(source.spec.contextLength) tokens; what it says beyond that may be nonsense")
    }
    self.source = source
    self.tokenizer = tokenizer
    generator = try Generator(model, tokenizer: tokenizer, endTokens: source.endTokens, options: options)
  }
}

extension GenerationReport {
  /// "prompt 5 tokens, 812.3 tokens/s; answer 200 tokens, 151.0 tokens/s".
  var rates: String {
    "prompt \(promptTokens) tokens, \(promptRate.fixed(1)) tokens/s; generated \(tokens.count) tokens, \(decodeRate.fixed(1)) tokens/s"
  }
}
