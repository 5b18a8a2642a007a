import ArgumentParser
import Tensors

/// Turns what a command throws into a sentence on standard error and an exit status.
enum Failure {
  /// Reports an error thrown while a command ran.
  ///
  /// - Returns: the status of `LMToolError.Code`; that of an `ExitCode` as it is; 64 for misuse; 70 for what nobody foresaw.
  static func report(_ error: any Error) -> Int32 {
    switch error {
    case let error as LMToolError:
      say(error.description)
      return error.code.exitStatus
    case let error as ExitCode:
      return error.rawValue
    case _ where LMTool.exitCode(for: error) != .failure:  // a request for help, or misuse
      return reportParsing(error)
    default:
      say("\(error) (this is a bug in lmtool, please report it)")
      return LMToolError.Code.bug.exitStatus
    }
  }

  /// Reports what parsing the command line ended with: a request for help (0), or misuse (64).
  static func reportParsing(_ error: any Error) -> Int32 {
    let isHelp = LMTool.exitCode(for: error).isSuccess
    (isHelp ? StandardStream.output : StandardStream.error).write(LMTool.fullMessage(for: error) + "\n")
    return isHelp ? statusOfSuccess() : LMToolError.Code.usage.exitStatus
  }

  /// The status of a command that ended well: 0, unless its results could not be written.
  static func statusOfSuccess() -> Int32 { StandardStream.output.failure.map(report) ?? 0 }

  private static func say(_ sentence: String) {
    let label = Style.red.apply(to: "error", isColored: StandardStream.error.isColored)
    StandardStream.error.write("lmtool: \(label): \(sentence.harmless)\n")
  }
}
