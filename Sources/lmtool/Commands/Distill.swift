import ArgumentParser
import Artifacts
import Compression
import Inference
import Models
import Tensors
import Training

extension LMTool {
  /// `lmtool distill`.
  struct Distill: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Train a model towards its original: heal what compression broke.",
      discussion: """
        Student and teacher read the same text in lock-step, and the student learns to say what the teacher says. A student that is a rate \
        mode artifact is healed: the steps of its rows and columns, its norms and biases are trained, its integers stay as they are. Any \
        other student has all its numbers trained, and becomes a model directory in f32. Without text the teacher writes it.

          lmtool distill small.lmz --teacher SmolLM2 -o healed.lmz --max-time 30
          lmtool distill student/ --teacher SmolLM2 -o taught --text book.txt --max-tokens 1000000
        """)

    @Argument(help: "The student: a model of any kind.", completion: .file())
    var student: String
    @Option(help: "The teacher: the original, with the same vocabulary.", completion: .file())
    var teacher: String
    @Option(name: [.short, .customLong("output")], help: "Where the trained model goes.", completion: .file())
    var output: String
    @Option(help: ArgumentHelp("Train at most so many minutes.", valueName: "minutes"))
    var maxTime: Double?
    @Option(help: ArgumentHelp("Train on at most so many tokens.", valueName: "n"))
    var maxTokens: Int?
    @Option(help: ArgumentHelp("The learning rate at its highest.", valueName: "x"))
    var rate: Double?
    @Option(help: ArgumentHelp("Texts of a step.", valueName: "n"))
    var batch: Int = 4
    @Option(help: ArgumentHelp("What logits are divided by before they are compared.", valueName: "x"))
    var temperature: Double = 1
    @Option(help: ArgumentHelp("Steps between two looks at the text that is kept aside.", valueName: "n"))
    var interval: Int = 20
    @Option(
      help: ArgumentHelp(
        "Keep the state of training in this folder, to go on after Ctrl-C or a crash; it is removed at the end.",
        valueName: "folder"),
      completion: .directory)
    var workDir: String?
    @Flag(help: "Compute products in f32 rather than in bf16.")
    var f32 = false
    @OptionGroup(title: "Text") var source: CalibrationTextArguments
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func run() throws {
      threads.apply()
      let console = speech.console
      let student = try ModelSource.open(student), teacher = try ModelSource.open(teacher)
      try OutputPath.check(output, against: student)
      let text = try console.withProgress { (progress) throws(LMToolError) in
        try CalibrationText(teacher, source.options, progress: progress)
      }
      for warning in text.warnings { console.warn(warning) }
      var options = DistillingOptions()
      let heals = student.format.hasPrefix("lmz")
      options.plan = heals ? .factors : .everything
      options.optimizer.rate = rate ?? (heals ? 2e-3 : 2e-4)
      options.batch = batch
      options.loss.temperature = Float(temperature)
      options.maximumSeconds = maxTime.map { $0 * 60 }
      options.maximumTokens = maxTokens
      options.interval = interval
      options.usesBF16 = !f32
      let distilling = try console.withProgress { (progress) throws(LMToolError) in
        try Distilling(
          student: student, teacher: teacher, text: text, options, output: output, workFolder: workDir, progress: progress)
      }
      try console.withProgress { (progress) throws(LMToolError) in try distilling.run(progress: progress) }
      try console.withProgress { (progress) throws(LMToolError) in
        try distilling.write(student, to: output, progress: progress)
      }
      distilling.finish()
      try report.json ? console.print(json: distilling.report) : Self.show(distilling.report, on: console)
    }

    private static func show(_ report: Distilling.Report, on console: Console) {
      var table = Table(
        .right("step"), .right("tokens"), .right("seconds"), .right("KL"), .right("nats/token"), .left(""))
      for look in report.looks {
        table.add(
          "\(look.step)", "\(look.tokens)", Table.Cell(look.seconds.fixed(1)), Table.Cell(look.divergence.fixed(4)),
          Table.Cell(look.likelihood.fixed(4)), look.step == report.best ? "kept" : "")
      }
      console.print(table)
    }
  }
}
