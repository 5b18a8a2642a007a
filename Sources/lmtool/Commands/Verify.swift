import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool verify`.
  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check an .lmz file from the file alone, bytes and quality: PASS or FAIL.",
      discussion: """
        Unpacks every frame and compares every hash, checks that all weights are finite, that text survives the \
        tokenizer, and that the model says what it said when it was exported. Then measures the model by the certificate in the file: \
        texts with what the original expected, prompts with what it said. Two verdicts: coherence, whether the model makes sense where the \
        original does, and fidelity, A (no difference to be seen) to E (another model). A file without a certificate is checked by its \
        bytes. The exit status is 0 for PASS, 1 for FAIL.

          lmtool verify smollm2.lmz --budget 80MB
          lmtool verify smollm2.lmz --min-grade C
          lmtool verify smollm2.lmz --against SmolLM2-135M-Instruct   # was the certificate honest?
          lmtool verify smollm2.lmz --quick
        """)

    @Argument(help: "An .lmz file.", completion: .file(extensions: ["lmz"]))
    var file: String
    @Option(help: "Fail when the file is larger: 40MB, 38.1MiB, 40000000.")
    var budget: ByteSize?
    @Flag(help: "Check the bytes only, not the quality.")
    var quick = false
    @Option(help: ArgumentHelp("Fail when the fidelity is worse: A to E.", valueName: "grade"))
    var minGrade: FidelityGrade?
    @Option(
      help: ArgumentHelp(
        "The original: make the certificate again, and fail when the one in the file is another.", valueName: "model"),
      completion: .file())
    var against: String?
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
      guard !quick || (minGrade == nil && against == nil) else {
        throw ValidationError("--min-grade and --against are about quality, which --quick leaves out")
      }
    }

    func run() throws {
      threads.apply()
      let console = speech.console
      let result = try console.withProgress { (progress) throws(LMToolError) in
        let original = try against.map { (path) throws(LMToolError) in try ModelSource.open(path) }
        let demands = quick ? nil : QualityDemands(minimumGrade: minGrade, original: original)
        return try Verifying.run(file, budget: budget?.bytes, quality: demands, progress: progress)
      }
      if report.json {
        try console.print(json: result)
      } else {
        console.print(result.table)
        if !quick, let quality = result.quality {
          console.print()
          console.print(quality.table)
        }
        console.print(console.styled(result.passed ? "PASS" : "FAIL", result.passed ? .green : .red))
      }
      if !result.passed { throw ExitCode(1) }
    }
  }
}

extension VerificationReport {
  /// A line for each check.
  var table: Table {
    var table = Table(.left("check"), .left("result"), .left("detail"))
    for check in checks {
      let verdict = check.passed ? Table.Cell("ok", .green) : Table.Cell("FAIL", .red)
      table.add(Table.Cell(check.name), verdict, Table.Cell(check.detail))
    }
    return table
  }
}

extension QualityReport {
  /// A line for each figure, the original's beside it.
  var table: Table {
    var table = Table(.left("quality"), .right("original"), .right("this file"))
    table.add("bits per byte", Table.Cell(figures.bitsPerByteBefore.fixed(4)), Table.Cell(figures.bitsPerByte.fixed(4)))
    table.add("  ratio", "1", Table.Cell(figures.ratio.fixed(4)))
    table.add("KL, mean", "0", Table.Cell(figures.divergence.fixed(4)))
    table.add("KL, 99 % of positions below", "0", Table.Cell(figures.divergence99.fixed(4)))
    table.add("same likeliest token", "1", Table.Cell(figures.topAgreement.fixed(4)))
    table.add("1 - total variation", "1", Table.Cell(figures.overlap.fixed(4)))
    let pairs: [(String, Double, Double)] = [
      ("repetition (seq-rep-4)", originalSpeech.repetition, speech.repetition),
      ("repetition, greedy", originalSpeech.greedyRepetition, speech.greedyRepetition),
      ("different pairs (distinct-2)", originalSpeech.distinct, speech.distinct),
      ("nats per byte, to the original", originalSpeech.natsPerByte, speech.natsPerByte),
    ]
    for (name, before, after) in pairs { table.add(Table.Cell(name), Table.Cell(before.fixed(4)), Table.Cell(after.fixed(4))) }
    table.add("coherent", "", Table.Cell(coherence.holds ? "yes" : "no", coherence.holds ? .green : .red))
    table.add("fidelity", "", Table.Cell(fidelity.rawValue, .bold))
    return table
  }
}
