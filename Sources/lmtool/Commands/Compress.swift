import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool compress`.
  struct Compress: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "The whole chain: any checkpoint in, one verified .lmz under a byte budget out.",
      discussion: """
        With --budget, --bits or --kl the model is compressed in rate mode: it is run over a calibration text, every matrix is \
        quantized at the rate it deserves, along a trellis and with the errors of weights making up for each other, the integers are \
        entropy-coded, and the file is fitted to the budget, tokenizer and all. Without a calibration text the model samples its own; \
        a text like that of the users is better. With --train the layers that are not quantized yet learn, between one and the next, to make up \
        for those that are; with --heal the steps of the finished model are trained. Both take minutes, and cost no bytes. When nothing fits, nothing is written, and the message says what is possible.

        At the end the file is verified, quality included: the exit status is 1 when it makes no sense any more. With --no-certificate its bytes \
        alone are.

        With --method grid, or --scheme, matrices lie on grids of int8 or int4: faster, larger, and what GGUF can hold. The first of \
        these that fits is taken: int8; int4 with an int8 embedding; int4 throughout.

          lmtool compress SmolLM2-135M-Instruct -o smollm2.lmz --budget 40MB --text encyclopaedia.txt --chats questions.jsonl
          lmtool compress SmolLM2-135M-Instruct -o smollm2.lmz --kl 0.1 --calibration smollm2.cal
          lmtool compress SmolLM2-135M-Instruct -o smollm2.lmz --budget 40MB --work-dir work   # Ctrl-C, and again: it goes on
          lmtool compress SmolLM2-135M-Instruct -o smollm2.lmz --budget 60MB --report smollm2.html
          lmtool compress SmolLM2-135M-Instruct -o smollm2.lmz --budget 40MB --text encyclopaedia.txt --train 45 --heal 15
          lmtool compress model.gguf -o model.lmz --budget 100MB --method grid
        """)

    @Argument(help: "A checkpoint of any format that import reads.", completion: .file())
    var source: String
    @Option(name: [.short, .customLong("output")], help: "The .lmz file to write.", completion: .file(extensions: ["lmz"]))
    var output: String
    @OptionGroup var goal: GoalArguments
    @Option(help: "How matrices are quantized: rate or grid (default: rate with a goal, grid without or with --scheme).")
    var method: CompressionMethod?
    @Option(
      help: ArgumentHelp(
        """
        Tokens to keep: auto weighs the bytes of every token against the loss of being without it on the calibration text, all keeps \
        everything, or a number. For rate mode.
        """, valueName: "auto|all|n"))
    var vocab: VocabularyGoal?
    @Option(
      help: ArgumentHelp(
        """
        Parts of layers to keep: auto gives up channels, heads and layers that are worth less than their bytes, all keeps everything \
        (default: auto). For rate mode.
        """, valueName: "auto|all"))
    var structure: StructureGoal?
    @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
    var tokenizer: String?
    @Option(
      help: ArgumentHelp(
        "Keep what is done in this folder, to go on after an interruption; it is removed at the end. For rate mode.",
        valueName: "folder"), completion: .directory)
    var workDir: String?
    @OptionGroup(title: "Training (for rate mode)") var training: RateTrainingArguments
    @OptionGroup(title: "Calibration (for rate mode)") var calibration: CalibrationArguments
    @OptionGroup(title: "Certificate") var certificate: CertificateArguments
    @OptionGroup var recipe: RecipeOptions
    @OptionGroup var reportFile: ReportFileArguments
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
      if isRate, recipe.isGiven { throw ValidationError("--scheme and its companions go with --method grid") }
      let isRateOnly =
        goal.bits != nil || goal.kl != nil || workDir != nil || vocab != nil || structure != nil || calibration.isGiven
        || training.isGiven || reportFile.file != nil
      if !isRate, isRateOnly {
        throw ValidationError(
          "--bits, --kl, --vocab, --structure, --work-dir, --report, training and a calibration go with --method rate")
      }
      if isRate, goal.goal == nil { throw ValidationError("rate mode needs --budget, --bits or --kl") }
    }

    /// Whether rate mode is meant.
    private var isRate: Bool { method.map { $0 == .rate } ?? (goal.goal != nil && !recipe.isGiven) }

    func run() throws {
      threads.apply()
      let source = try ModelSource.open(source, tokenizer: tokenizer)
      if isRate, let goal = goal.goal { try runRate(source, goal) } else { try runGrid(source) }
    }

    private func runRate(_ source: ModelSource, _ goal: RateGoal) throws {
      let console = speech.console
      if let file = reportFile.file { try OutputPath.check(file.path, against: source) }
      let (result, verification) = try console.withProgress { (progress) throws(LMToolError) in
        let compression = RateCompressing(
          source, to: output, options: training.options, vocabulary: vocab ?? .automatic, structure: structure ?? .automatic,
          workFolder: workDir,
          certificate: try certificate.request(original: source), progress: progress)
        let result = try compression.run(goal, calibration: calibration.options) { console.warn($0) }
        let quality = certificate.noCertificate ? nil : QualityDemands()
        return (result, try Verifying.run(output, budget: result.budget, quality: quality, progress: progress))
      }
      try reportFile.file?.write(result, page: CompressionPage(result).html)
      if report.json {
        try console.print(json: RateOutcome(report: result, verification: verification))
      } else {
        console.print(result.table)
        console.print()
        console.print(verification)
      }
      if !verification.passed { throw ExitCode(1) }
    }

    private func runGrid(_ source: ModelSource) throws {
      let console = speech.console
      let result = try console.withProgress { (progress) throws(LMToolError) in
        try Compressing.run(
          source, to: output, budget: goal.budget?.bytes, recipe: try recipe.recipe(),
          certificate: try certificate.request(original: source), progress: progress)
      }
      if report.json {
        try console.print(json: result)
      } else {
        show(result, on: console)
      }
      if !result.verification.passed { throw ExitCode(1) }
    }

    private func show(_ result: CompressionReport, on console: Console) {
      var table = Table(.left(), .right())
      table.add("original", Table.Cell("\(ByteSize(result.originalBytes))"))
      table.add("artifact", Table.Cell("\(ByteSize(result.bytes))"))
      table.add("parameters", Table.Cell("\(result.parameters)"))
      table.add("bits per weight", Table.Cell(result.bitsPerWeight.fixed(2)))
      table.add("chosen", Table.Cell(result.choice))
      for (name, size) in result.tooLarge.sorted(by: { $0.key < $1.key }) {
        table.add("too large: \(name)", "\(ByteSize(size))")
      }
      console.print(table)
      console.print()
      console.print(result.verification)
    }
  }
}

/// How `compress` quantizes.
enum CompressionMethod: String, ExpressibleByArgument, CaseIterable {
  case rate, grid
}

/// What rate mode did, and what verification found, for --json.
private struct RateOutcome: Encodable {
  var report: RateReport
  var verification: VerificationReport
}
