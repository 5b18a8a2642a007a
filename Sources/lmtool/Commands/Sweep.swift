import ArgumentParser
import Artifacts
import Compression
import Inference
import Models
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension LMTool {
  /// `lmtool sweep`.
  struct Sweep: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Draw what the bytes of a model are worth: quality at several budgets.",
      discussion: """
        Compresses the model once for each budget, as compress does, measures every file beside the original on texts of yours, and \
        draws size against quality on one page (.html, or the numbers as .json). Take texts that the calibration has not seen: on text \
        that it has seen every file looks better than it is. A calibration that is given, or one on the model's own samples, serves \
        all budgets; with --text or --chats every budget decides which tokens it keeps, as in compress, and calibrates with these.

        --grid adds the model in plain 8 and 4 bits, --gguf files of other programs, which must have the same vocabulary. KL tells how \
        far the next-token probabilities are from the original's, 0 being not at all; bits per byte and perplexity tell how well a \
        file predicts the text itself.

        A budget that is too small for the model is named in the report and the others go on. Artifacts are removed at the end \
        unless --keep names a folder for them.

          lmtool sweep SmolLM2 --budgets 80MB,60MB,50MB,40MB --eval-text book.txt -o sweep.html
          lmtool sweep SmolLM2 --budgets 60MB,40MB --eval-text wiki.txt --eval-text book.txt --eval-windows 40 \\
            --grid --gguf SmolLM2-Q4_K_M.gguf --gguf SmolLM2-Q2_K.gguf --keep files -o sweep.html
          lmtool sweep model.gguf --budgets 20MB --calibration saved.calibration --eval-text book.txt -o sweep.json --json
        """)

    @Argument(help: "The original: a model of any kind that is not quantized.", completion: .file())
    var model: String
    @Option(
      help: ArgumentHelp("The budgets, separated by commas: 80MB,60MB,38.1MiB.", valueName: "sizes"),
      transform: BudgetList.init(parsing:))
    var budgets: BudgetList
    @Option(
      help: ArgumentHelp(
        "Measure quality on this text file. May be given several times; each has its charts.", valueName: "file"),
      completion: .file())
    var evalText: [String] = []
    @Option(help: ArgumentHelp("Measure on at most so many windows, of at most 512 tokens, of each text.", valueName: "n"))
    var evalWindows: Int?
    @Flag(help: "Pack the model in grids of 8 and 4 bits too.")
    var grid = false
    @Option(
      help: ArgumentHelp("Measure this file of another program too. May be given several times.", valueName: "file"),
      completion: .file(extensions: ["gguf"]))
    var gguf: [String] = []
    @Option(
      name: [.short, .customLong("output")], help: "Where the report goes: a page (.html), or its numbers (.json).",
      completion: .file(extensions: ["html", "json"]), transform: ReportFile.init(parsing:))
    var output: ReportFile
    @Option(help: ArgumentHelp("Keep the artifacts in this folder.", valueName: "folder"), completion: .directory)
    var keep: String?
    @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
    var tokenizer: String?
    @OptionGroup(title: "Calibration") var calibration: CalibrationArguments
    @OptionGroup var compute: ArithmeticArguments
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
      guard !evalText.isEmpty else {
        throw ValidationError("name a text with --eval-text, one that calibration does not see, to measure quality on")
      }
      guard evalWindows ?? 1 >= 1 else { throw ValidationError("--eval-windows must be 1 or more") }
    }

    func run() throws {
      threads.apply()
      let console = speech.console
      let source = try ModelSource.open(model, tokenizer: tokenizer)
      try OutputPath.check(output.path, against: source)
      let work = try WorkFolder(beside: output.path)
      let report = try withExtendedLifetime(work) { try sweep(source, in: try artifacts(or: work.path), on: console) }
      try output.write(report, page: SweepPage(report).html)
      try self.report.json ? console.print(json: report) : Self.show(report, on: console)
      console.note(
        "\(output.path): \(report.points.count) files on \(report.texts.count) \(report.texts.count == 1 ? "text" : "texts")")
    }

    /// Where artifacts go; a folder that is to keep them is made if it is not there.
    private func artifacts(or folder: String) throws(LMToolError) -> String {
      guard let keep else { return folder }
      if mkdir(keep, 0o755) != 0, errno != EEXIST {
        throw LMToolError.system(.cannotCreate, "cannot create the folder", file: keep)
      }
      return keep
    }

    private func sweep(_ source: ModelSource, in folder: String, on console: Console) throws -> SweepReport {
      let measurement = try console.withProgress { (progress) throws(LMToolError) in
        try QualityMeasurement(
          source, texts: evalText, maximumWindows: evalWindows, arithmetic: compute.arithmetic, progress: progress)
      }
      let sweeping = try Sweeping(
        source, budgets: budgets.bytes, hasGrid: grid, ggufs: gguf, measurement: measurement, in: folder)
      let shared = try sharedCalibration(of: source, on: console)
      var report = sweeping.report(texts: evalText), failure: LMToolError?
      for step in sweeping.steps {
        let outcome = try console.withProgress { (progress) throws(LMToolError) in
          try sweeping.perform(step, compress: compression(of: source, shared, in: folder, on: console), progress: progress)
        }
        report.add(outcome)
        if case .miss(_, let error) = outcome { failure = failure ?? error }
        Self.tell(outcome, on: console)
      }
      if let failure, report.points.isEmpty { throw failure }
      return report
    }

    /// The calibration for all budgets; nil where each makes its own.
    private func sharedCalibration(of source: ModelSource, on console: Console) throws(LMToolError) -> Calibration? {
      let options = calibration.options
      guard options.file != nil || options.isOwnSamples else { return nil }
      return try console.withProgress { (progress) throws(LMToolError) in
        try Calibration.obtain(source, options, progress: progress) { console.warn($0) }
      }
    }

    /// What compresses to a budget.
    private func compression(
      of source: ModelSource, _ shared: Calibration?, in folder: String, on console: Console
    ) -> Sweeping.Compression {
      let options = calibration.options
      return { (budget, progress) throws(LMToolError) in
        let path = "\(folder)/budget-\(budget).lmz", compression = RateCompressing(source, to: path, progress: progress)
        if let shared { return (path, try compression.run(.bytes(budget), calibration: shared)) }
        return (path, try compression.run(.bytes(budget), calibration: options) { console.warn($0) })
      }
    }

    private static func tell(_ outcome: Sweeping.Outcome, on console: Console) {
      switch outcome {
      case .point(let point):
        let quality = point.quality.map { "KL \($0.divergence.threeDigits), perplexity x \($0.perplexityRatio.fixed(3))" }
        console.note("\(point.name): \(point.bytes) bytes, \(quality.joined(separator: "; "))")
      case .miss(let label, let error): console.warn("\(label.printable): \(error)")
      }
    }

    private static func show(_ report: SweepReport, on console: Console) {
      for (index, text) in report.texts.enumerated() {
        if report.texts.count > 1 { console.print((index == 0 ? "" : "\n") + "\(text.printable):") }
        var table = Table(
          .left("file"), .left("made by"), .right("bytes"), .right("bits/weight"), .right("bits/byte"), .right("perplexity x"),
          .right("KL"), .right("KL p99"), .right("same top"))
        for point in report.points {
          let quality = point.quality[index]
          table.add(
            Table.Cell(point.name), Table.Cell(point.kind.name), "\(point.bytes)", Table.Cell(point.bitsPerWeight.fixed(2)),
            Table.Cell(quality.bitsPerByteAfter.fixed(4)), Table.Cell(quality.perplexityRatio.fixed(4)),
            Table.Cell(quality.divergence.threeDigits), Table.Cell(quality.divergence99.threeDigits),
            Table.Cell((100 * quality.topAgreement).fixed(2) + " %"))
        }
        console.print(table)
      }
    }
  }
}
