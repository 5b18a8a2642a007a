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
        Quantizes, packs and verifies. With --budget the first of these that fits is taken: int8; int4 with an int8 \
        embedding; int4 throughout. The budget is for the whole file, tokenizer and all. When nothing fits, nothing is \
        written, and the message says how small the file can be made.

          lmtool compress SmolLM2-135M-Instruct -o smollm2.lmz --budget 100MB
          lmtool compress model.gguf -o model.lmz --scheme int4-g64
        """)

    @Argument(help: "A checkpoint of any format that import reads.", completion: .file())
    var source: String
    @Option(name: [.short, .customLong("output")], help: "The .lmz file to write.", completion: .file(extensions: ["lmz"]))
    var output: String
    @Option(help: "The most bytes that the file may have: 40MB, 38.1MiB, 40000000.")
    var budget: ByteSize?
    @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
    var tokenizer: String?
    @OptionGroup var recipe: RecipeOptions
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func run() throws {
      threads.apply()
      let console = speech.console
      let source = try ModelSource.open(source, tokenizer: tokenizer)
      let result = try console.withProgress { (progress) throws(LMToolError) in
        try Compressing.run(source, to: output, budget: budget?.bytes, recipe: try recipe.recipe(), progress: progress)
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
      console.print(result.verification.table)
      console.print(console.styled(result.verification.passed ? "PASS" : "FAIL", result.verification.passed ? .green : .red))
    }
  }
}
