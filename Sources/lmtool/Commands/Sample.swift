import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool sample`.
  struct Sample: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let a model write training data: texts, and answers to questions.",
      discussion: """
        Data for distill, calibrate and eval where there are none: a chat model answers short questions and continues frequent words in \
        turn, any other model continues words. The file has one JSON object to the line, {"messages": [...]} or {"text": ...}, which \
        --chats of the other commands reads. The same seed gives the same file, whatever the threads. A student with another tokenizer than \
        its teacher can learn from what the teacher wrote.

          lmtool sample SmolLM2-135M-Instruct --tokens 200000 -o samples.jsonl
          lmtool distill student --chats samples.jsonl --answers -o taught
        """)

    @Argument(help: "A model of any kind.", completion: .file())
    var model: String
    @Option(help: ArgumentHelp("Sample so many tokens.", valueName: "n"))
    var tokens: Int
    @Option(name: [.short, .customLong("output")], help: "The file to write.", completion: .file())
    var output: String
    @Option(help: ArgumentHelp("The start of the random numbers.", valueName: "n"))
    var seed: UInt64 = 0
    @Option(
      help: ArgumentHelp(
        "Tokens that are written in one go, the longest text (default: \(CalibrationOptions.usualWindow), or the model's context).",
        valueName: "n"))
    var window: Int?
    @Option(
      help: ArgumentHelp("Ask the questions of this file, one to the line, and nothing else.", valueName: "file"),
      completion: .file())
    var questions: String?
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
      guard (16...Sampling.mostTokens).contains(tokens) else {
        throw ValidationError("--tokens must be from 16 to \(Sampling.mostTokens)")
      }
    }

    func run() throws {
      threads.apply()
      let console = speech.console, source = try ModelSource.open(model)
      let result = try console.withProgress { (progress) throws(LMToolError) in
        try Sampling.run(
          source, tokens: tokens, window: window, seed: seed, questions: questions, to: output, progress: progress)
      }
      if report.json { return try console.print(json: result) }
      console.note("\(output): \(result.conversations) answers and \(result.texts) texts, of \(result.tokens) sampled tokens")
    }
  }
}
