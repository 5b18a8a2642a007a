import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool compare`.
  struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show how two models differ: tensors, configuration, tokenizer, template.",
      discussion: """
        Reads both models whole, whatever their formats, and shows what differs; equal models leave the summary alone. The exit status \
        is 0 when they are equal and 1 when they differ.

        Tensors are compared by what they hold, under the names that inspect shows: F16 in GGUF and F32 in safetensors are equal if their \
        numbers are. "relative" is the largest difference against the largest weight of the first model's tensor; --tolerance says how much of \
        that counts as equal: rounding to bf16, or to int8 with a step for every row, makes up to 0.004. Keys of \
        the configuration that only say where files come from (dtype, transformers_version, ...) do not count, nor does one that a format lacks \
        while both compute the same.

          lmtool compare SmolLM2 smollm2-f16.gguf
          lmtool compare SmolLM2 smollm2.lmz --tolerance 0.05 --all
          lmtool compare base tuned --json
        """)

    @Argument(help: "A model of any kind.", completion: .file())
    var first: String
    @Argument(help: "Another one.", completion: .file())
    var second: String
    @Option(help: "The largest relative difference of a tensor that counts as equal; by default none does.")
    var tolerance = 0.0
    @Flag(help: "List every tensor, also those that are equal.")
    var all = false
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
      guard tolerance >= 0, tolerance.isFinite else { throw ValidationError("--tolerance is a number from 0 on") }
    }

    func run() throws {
      threads.apply()
      let console = speech.console
      let one = try ModelSource.open(first), other = try ModelSource.open(second)
      let result = try console.withProgress { (progress) throws(LMToolError) in
        try Comparing.run(one, other, tolerance: tolerance, keepsAll: all, progress: progress)
      }
      try report.json ? console.print(json: result) : Self.show(result, on: console)
      if !result.isEqual { throw ExitCode(1) }
    }

    private static func show(_ report: ComparisonReport, on console: Console) {
      if !report.tensors.isEmpty {
        console.print(table(report.tensors))
        console.print()
      }
      let differences = report.configuration.map { ("configuration", $0) } + report.tokenizer.map { ("tokenizer", $0) }
      if !differences.isEmpty {
        var table = Table(.left("part"), .left("what"), .left("first"), .left("second"))
        for (part, difference) in differences {
          table.add([part, difference.name, difference.first, difference.second].map { Table.Cell($0) })
        }
        console.print(table)
        console.print()
      }
      var summary = Table(.left(), .left())
      func row(_ part: String, _ text: String) { summary.add(Table.Cell(part), Table.Cell(text)) }
      let most = report.relative > 0 ? "; the largest relative difference is \(report.relative.threeDigitsOrInfinite)" : ""
      row("tensors", "\(report.differing) of \(report.compared) differ" + most)
      row("configuration", report.configuration.isEmpty ? "equal" : "differs in \(report.configuration.count) keys")
      row("tokenizer", report.tokenizer.isEmpty ? "equal" : "differs")
      row("chat template", report.chatTemplate.map { "differs " + $0 } ?? "equal")
      console.print(summary)
      console.print(console.styled(report.isEqual ? "EQUAL" : "DIFFERENT", report.isEqual ? .green : .red))
    }

    private static func table(_ tensors: [TensorComparison]) -> Table {
      var table = Table(
        .left("tensor"), .left("shape"), .left("type"), .right("max"), .right("mean"), .right("relative"), .right("cosine"))
      for tensor in tensors {
        let numbers = [tensor.largest, tensor.mean, tensor.relative].map { $0?.threeDigitsOrInfinite ?? "" }
        let cells =
          [tensor.name, pair(text(tensor.shape), text(tensor.otherShape)), pair(tensor.type, tensor.otherType)] + numbers
          + [tensor.cosine?.fixed(6) ?? ""]
        table.add(cells.map { Table.Cell($0) })
      }
      return table
    }

    private static func text(_ shape: [Int]?) -> String? { shape.map { $0.map(String.init).joined(separator: " x ") } }

    /// What both have, or what each has.
    private static func pair(_ first: String?, _ second: String?) -> String {
      first == second ? first ?? "" : "\(first ?? "none") / \(second ?? "none")"
    }
  }
}

extension Double {
  /// `threeDigits`, of what is no number too.
  fileprivate var threeDigitsOrInfinite: String { isFinite ? threeDigits : "infinite" }
}
