import ArgumentParser

/// What every command that generates text takes.
struct TalkOptions: ParsableArguments {
  @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
  var tokenizer: String?
  @OptionGroup(title: "Sampling") var sampling: SamplingArguments
  @OptionGroup(title: "Context") var context: ContextArguments
  @OptionGroup var speech: OutputOptions
  @OptionGroup var threads: ThreadOptions
}
