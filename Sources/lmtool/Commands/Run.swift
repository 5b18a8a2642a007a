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
    @OptionGroup var talk: TalkOptions

    func run() throws {
      talk.threads.apply()
      let console = talk.speech.console
      let source = try ModelSource.open(model, tokenizer: talk.tokenizer)
      let talker = try Talker(source, talk, stops: [], console: console)
      var ids = talker.tokenizer.encode(prompt ?? "", addSpecial: true, parseSpecial: special)
      if talker.tokenizer.definition.addsEOS, ids.last == talker.tokenizer.definition.eos.first { ids.removeLast() }
      if let prompt { _ = console.stream(prompt) }
      let report = try talker.generator.generate(ids) { console.stream($0) }
      console.print()
      console.note(report.rates)
    }
  }
}
