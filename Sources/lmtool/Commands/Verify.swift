import ArgumentParser
import Compression
import Tensors

extension LMTool {
  /// `lmtool verify`.
  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check an .lmz file from the file alone: PASS or FAIL.",
      discussion: """
        Unpacks every frame and compares every hash, checks that all weights are finite, that text survives the \
        tokenizer, and that the model says what it said when it was exported. The exit status is 0 for PASS, 1 for FAIL.

          lmtool verify smollm2.lmz --budget 80MB
        """)

    @Argument(help: "An .lmz file.", completion: .file(extensions: ["lmz"]))
    var file: String
    @Option(help: "Fail when the file is larger: 40MB, 38.1MiB, 40000000.")
    var budget: ByteSize?
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func run() throws {
      threads.apply()
      let console = speech.console
      let result = try console.withProgress { (progress) throws(LMToolError) in
        try Verifying.run(file, budget: budget?.bytes, progress: progress)
      }
      if report.json {
        try console.print(json: result)
      } else {
        console.print(result.table)
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
