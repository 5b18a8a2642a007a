import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool verify`.
  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check a model from its file alone, bytes and quality: PASS or FAIL.",
      discussion: """
        Of an .lmz file every frame is unpacked and every hash compared; all weights must be finite, text must survive the tokenizer, and \
        the model must say what it said when it was exported. Then the model is measured by the certificate in the file: texts with what \
        the original expected, prompts with what it said. Two verdicts: coherence, whether the model makes sense where the original does, \
        and fidelity, A (no difference to be seen) to E (another model). Without a certificate, and in other formats (GGUF, safetensors, \
        PyTorch), structure and numbers are checked, and whether the model knows any text and does not loop; with --against it is measured \
        beside the original. The exit status is 0 for PASS, 1 for FAIL.

          lmtool verify smollm2.lmz --budget 80MB
          lmtool verify smollm2.lmz --min-grade C --html smollm2.html
          lmtool verify smollm2.lmz --against SmolLM2-135M-Instruct   # was the certificate honest?
          lmtool verify SmolLM2.Q4_0.gguf --against SmolLM2-135M-Instruct
          lmtool verify smollm2.lmz --quick
        """)

    @Argument(help: "An .lmz file, or a checkpoint of any format.", completion: .file())
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
    @Option(help: "Fail unless the owner of this public key, a PEM file, signed the file.", completion: .file())
    var key: String?
    @Option(
      help: ArgumentHelp(
        "Write a page too: every figure and answer, and KL along the texts.", valueName: "file"),
      completion: .file(extensions: ["html"]), transform: ReportFile.init(parsing:))
    var html: ReportFile?
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
      guard !quick || (minGrade == nil && against == nil && html == nil) else {
        throw ValidationError("--min-grade, --against and --html are about quality, which --quick leaves out")
      }
    }

    func run() throws {
      threads.apply()
      let console = speech.console
      let key = try key.map { (path) throws(LMToolError) in try SigningKey.Public(file: path) }
      let result = try console.withProgress { (progress) throws(LMToolError) in
        let original = try against.map { (path) throws(LMToolError) in try ModelSource.open(path) }
        let demands = QualityDemands(minimumGrade: minGrade, original: original, details: report.json || html != nil)
        return try Verifying.run(file, budget: budget?.bytes, quality: quick ? nil : demands, key: key, progress: progress)
      }
      try html?.write(result, page: VerificationPage(result, file: file).html)
      if report.json {
        try console.print(json: result)
      } else {
        console.print(result, isQuick: quick)
      }
      if !result.passed { throw ExitCode(1) }
    }
  }
}

extension Console {
  /// Prints checks, figures and the verdict.
  func print(_ report: VerificationReport, isQuick: Bool = false) {
    print(report.table)
    if !isQuick, let quality = report.quality {
      print()
      print(quality.table)
    }
    print(styled(report.passed ? "PASS" : "FAIL", report.passed ? .green : .red))
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
  /// Every figure with its name: of the original, and of the file.
  var rows: [(name: String, before: String, after: String)] {
    let pairs: [(String, Double, Double)] = [
      ("repetition (seq-rep-4)", originalSpeech.repetition, speech.repetition),
      ("repetition, greedy", originalSpeech.greedyRepetition, speech.greedyRepetition),
      ("different pairs (distinct-2)", originalSpeech.distinct, speech.distinct),
      ("nats per byte, to the original", originalSpeech.natsPerByte, speech.natsPerByte),
    ]
    return [
      ("bits per byte", figures.bitsPerByteBefore.fixed(4), figures.bitsPerByte.fixed(4)),
      ("  of the text it knows best", figures.bestBefore.fixed(4), figures.best.fixed(4)),
      ("  ratio", "1", figures.ratio.fixed(4)), ("KL, mean", "0", figures.divergence.fixed(4)),
      ("KL, 99 % of positions below", "0", figures.divergence99.fixed(4)),
      ("same likeliest token", "1", figures.topAgreement.fixed(4)), ("1 - total variation", "1", figures.overlap.fixed(4)),
    ] + pairs.map { ($0, $1.fixed(4), $2.fixed(4)) } + [("answers word for word the same", "", "\(sameAnswers)")]
  }

  /// A line for each figure, and the verdicts.
  var table: Table {
    var table = Table(.left("quality"), .right("original"), .right("this file"))
    for row in rows { table.add(Table.Cell(row.name), Table.Cell(row.before), Table.Cell(row.after)) }
    table.add("coherent", "", Table.Cell(coherence.holds ? "yes" : "no", coherence.holds ? .green : .red))
    table.add("fidelity", "", Table.Cell(fidelity.rawValue, .bold))
    return table
  }
}
