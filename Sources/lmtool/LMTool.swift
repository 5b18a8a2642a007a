import ArgumentParser
import Compression
import Kernels
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The command `lmtool`.
@main struct LMTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lmtool",
    abstract: "Turns a language model into one small file that still talks, and proves what it lost.",
    discussion: """
      The whole chain in one command, then its result at work:

        lmtool compress SmolLM2-135M-Instruct/ --budget 40MB -o smollm2.lmz
        lmtool run smollm2.lmz -p "What is gravity?"
        lmtool verify smollm2.lmz

      Exit status: 0 done, 1 the answer is no, 64 misuse, 65 bad input, 66 missing input, 70 a bug, 73 the output cannot be
      created, 74 reading or writing failed, 130 interrupted.
      """,
    version: Exporting.version,
    subcommands: [
      Import.self, Inspect.self, Compare.self, Calibrate.self, Prune.self, Quantize.self, Export.self, Verify.self, Sign.self,
      Compress.self, Sweep.self, Distill.self, Sample.self, Run.self, Chat.self, Eval.self, Bench.self, Tokenize.self,
      Logits.self,
    ])

  /// What errors of the command line begin with, as all errors do.
  static var _errorLabel: String { "lmtool: error" }

  static func main() {
    Interrupt.install()
    let status = run(CommandLine.arguments.dropFirst())
    #if canImport(Glibc)
      Glibc.exit(status)
    #else
      Darwin.exit(status)
    #endif
  }

  private static func run(_ arguments: ArraySlice<String>) -> Int32 {
    var command: any ParsableCommand
    do { command = try parseAsRoot(Array(arguments)) } catch { return Failure.reportParsing(error) }
    do {
      try checkInstructionSet()
      try command.run()
    } catch { return Failure.report(error) }
    return Failure.statusOfSuccess()
  }

  /// Refuses to go on with another instruction set than the one asked for.
  private static func checkInstructionSet() throws(LMToolError) {
    guard let name = getenv("LMTOOL_ISA").map({ String(cString: $0) }), !name.isEmpty else { return }
    if let objection = InstructionSet.objection(to: name) { throw LMToolError(.usage, objection) }
  }
}
