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
      abstract: "Train a model towards its original, or on texts and chats of yours.",
      discussion: """
        Student and teacher read the same text in lock-step, and the student learns to say what the teacher says. A student that is \
        quantized is healed: an artifact's steps of rows and columns, or a quantized directory's scales, and norms and biases are trained, \
        its integers stay as they are. Any other student has all its numbers trained, and becomes a model directory in f32. Without text the \
        teacher writes it.

        Without a teacher the student learns the text itself: fine-tuning. --lora-rank trains changes of low rank; what comes out has them \
        merged, and --adapter-out writes them by themselves, as PEFT does. --answers learns of chats only what the assistant says.

        A healed artifact has a certificate beside its teacher; without a teacher it has none.

        Part of the text is kept aside to judge by, and the best model by it is what is written. Memory is planned before anything is read.

          lmtool distill small.lmz --teacher SmolLM2 -o healed.lmz --max-time 30
          lmtool distill student/ --teacher SmolLM2 -o taught --text book.txt --max-tokens 1000000
          lmtool distill SmolLM2 --chats support.jsonl --answers --lora-rank 16 -o mine --adapter-out mine-adapter
        """)

    @Argument(help: "The student: a model of any kind.", completion: .file())
    var student: String
    @Option(help: "The teacher: the original, with the same vocabulary; none to learn the text itself.", completion: .file())
    var teacher: String?
    @Option(name: [.short, .customLong("output")], help: "Where the trained model goes.", completion: .file())
    var output: String
    @Option(
      help: ArgumentHelp("Write the changes of --lora-rank here, as PEFT does.", valueName: "folder"), completion: .directory)
    var adapterOut: String?
    @Flag(help: "Of --chats, learn only what the assistant says.")
    var answers = false
    @Option(
      help: ArgumentHelp(
        "Keep the state of training in this folder, to go on after Ctrl-C or a crash; it is removed at the end.",
        valueName: "folder"),
      completion: .directory)
    var workDir: String?
    @OptionGroup(title: "Training") var training: TrainingArguments
    @OptionGroup(title: "Text") var source: CalibrationTextArguments
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
      guard adapterOut == nil || training.loraRank != nil else { throw ValidationError("--adapter-out needs --lora-rank") }
      guard teacher != nil || !source.options.isOwnSamples else {
        throw ValidationError("without --teacher there must be something to learn: --text or --chats")
      }
      guard teacher != nil || training.crossEntropy == nil && training.temperature == 1 else {
        throw ValidationError("--cross-entropy and --temperature are about a teacher; there is none")
      }
    }

    func run() throws {
      threads.apply()
      let console = speech.console
      let student = try ModelSource.open(student)
      let teacher = try teacher.map { (path) throws(LMToolError) in try ModelSource.open(path) }
      try OutputPath.check(output, against: student)
      if let teacher { try Distilling.checkTokenizers(teacher, student) }
      let text = try console.withProgress { (progress) throws(LMToolError) in
        try TrainingText(teacher ?? student, source.options, answersOnly: answers, progress: progress)
      }
      for warning in text.warnings { console.warn(warning) }
      let options = training.options(heals: Distilling.canHeal(student))
      let memory = TrainingMemory(student: student, teacher: teacher, window: text.window, options)
      console.note("memory: about \(memory.megabytes(memory.total)) (\(memory.text))")
      let distilling = try console.withProgress { (progress) throws(LMToolError) in
        try Distilling(
          student: student, teacher: teacher, text: text, options, output: output, workFolder: workDir, progress: progress)
      }
      try console.withProgress { (progress) throws(LMToolError) in try distilling.run(progress: progress) }
      if let step = distilling.diverged { console.warn(Self.diverged(at: step, distilling.report, options)) }
      try console.withProgress { (progress) throws(LMToolError) in
        try distilling.write(
          student, to: output, certificate: teacher.map { CertificateRequest(original: $0) }, progress: progress)
      }
      if let adapterOut { try distilling.writeAdapter(of: student, to: adapterOut) }
      distilling.finish()
      if report.json { return try console.print(json: distilling.report) }
      Self.show(distilling.report, hasTeacher: teacher != nil, on: console)
    }

    private static func diverged(at step: Int, _ report: Distilling.Report, _ options: DistillingOptions) -> String {
      "training diverged at step \(step), and the model of step \(report.best) is kept"
        + (report.best == 0 ? ", which is the student as it was" : "") + "; try --rate \(options.optimizer.rate / 10)"
    }

    private static func show(_ report: Distilling.Report, hasTeacher: Bool, on console: Console) {
      let divergence: [Table.Column] = hasTeacher ? [.right("KL")] : []
      var table = Table([.right("step"), .right("tokens"), .right("seconds")] + divergence + [.right("nats/token"), .left("")])
      for look in report.looks {
        let divergence = hasTeacher ? [Table.Cell(look.divergence.fixed(4))] : []
        table.add(
          [Table.Cell("\(look.step)"), Table.Cell("\(look.tokens)"), Table.Cell(look.seconds.fixed(1))] + divergence
            + [Table.Cell(look.likelihood.fixed(4)), Table.Cell(look.step == report.best ? "kept" : "")])
      }
      console.print(table)
    }
  }
}
