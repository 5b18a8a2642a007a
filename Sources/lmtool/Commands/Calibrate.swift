import ArgumentParser
import Artifacts
import Compression
import Inference
import Models
import Tensors

extension LMTool {
  /// `lmtool calibrate`.
  struct Calibrate: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Learn from text which weights of a model matter.",
      discussion: """
        Runs text through the model layer by layer, and collects how the inputs of every matrix vary together and how much each matrix \
        matters for what the model says. compress and quantize --method gptq do this by themselves; a saved calibration \
        (formats/calibration.md) does it once for many. Without text the model is calibrated on its own samples, half of them answers to \
        short questions where it is a chat model.

          lmtool calibrate SmolLM2 -o smollm2.calibration
          lmtool calibrate SmolLM2 -o smollm2.calibration --text book.txt --chats support.jsonl --tokens 32768
        """)

    @Argument(help: "A model of any kind.", completion: .file())
    var model: String
    @Option(name: [.short, .customLong("output")], help: "Where to save the calibration.", completion: .file())
    var output: String?
    @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
    var tokenizer: String?
    @OptionGroup(title: "Text") var source: CalibrationTextArguments
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func run() throws {
      threads.apply()
      let console = speech.console, clock = ContinuousClock(), start = clock.now
      let model = try ModelSource.open(model, tokenizer: tokenizer)
      let text = try console.withProgress { (progress) throws(LMToolError) in
        try CalibrationText(model, source.options, progress: progress)
      }
      for warning in text.warnings { console.warn(warning) }
      let calibration = try console.withProgress { (progress) throws(LMToolError) in
        try Calibration.collect(model, text, to: output, progress: progress)
      }
      for warning in calibration.warnings { console.warn(warning) }
      let result = CalibrationReport(calibration, text, model.spec, seconds: (clock.now - start).seconds)
      try report.json ? console.print(json: result) : Self.show(result, on: console)
    }

    private static func show(_ result: CalibrationReport, on console: Console) {
      var summary = Table(.left(), .left())
      summary.add("tokens", "\(result.tokens) in \(result.windows) windows of \(result.window)")
      for source in result.sources { summary.add("from", Table.Cell("\(source.name.printable): \(source.windows) windows")) }
      summary.add("embedding", Table.Cell("sensitivity \(result.embeddingSensitivity.scientific)"))
      summary.add("time", Table.Cell("\(result.seconds.fixed(1)) s"))
      console.print(summary)
      console.print()
      var table = Table(
        .right("layer"), .left("matters most"), .right("sensitivity"), .left("matters least"), .right("sensitivity"),
        .right("effective ranks"))
      for layer in result.layers {
        let ranks = layer.effectiveRanks.map { $0.fixed(0) }.joined(separator: " ")
        table.add(
          "\(layer.layer)", Table.Cell(layer.most.name), Table.Cell(layer.most.sensitivity.scientific),
          Table.Cell(layer.least.name),
          Table.Cell(layer.least.sensitivity.scientific), Table.Cell(ranks))
      }
      console.print(table)
    }
  }
}
