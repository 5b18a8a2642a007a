import ArgumentParser
import Compression
import Tensors

/// What a model is calibrated on, for commands that make a calibration.
struct CalibrationTextArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("Calibrate on this text file. May be given several times; each gets a fair share.", valueName: "file"),
    completion: .file())
  var text: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Calibrate on the conversations of this file, one JSON object to the line: messages with role and content, conversations with from \
      and value, instruction and output, or question and answer. May be given several times.
      """, valueName: "file"), completion: .file())
  var chats: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Calibrate on so many tokens (default: \(CalibrationOptions.usualTokens) of text and chats, \(CalibrationOptions.usualSamples) of \
      the model's own samples, fewer where memory is short).
      """, valueName: "n"))
  var tokens: Int?

  @Option(
    help: ArgumentHelp(
      """
      Beside text and chats also so many tokens of the model's own samples, mixed in evenly: they keep a chat model used to answering in \
      its own format.
      """, valueName: "n"))
  var ownSamples: Int?

  @Option(
    help: ArgumentHelp(
      "Cut the text into windows of so many tokens (default: \(CalibrationOptions.usualWindow), or the model's context).",
      valueName: "n"))
  var window: Int?

  @Option(help: ArgumentHelp("The start of the random numbers for the model's own samples.", valueName: "n"))
  var seed: UInt64 = 0

  /// The options for a new calibration.
  var options: CalibrationOptions {
    var options = CalibrationOptions()
    options.texts = text
    options.chats = chats
    options.tokens = tokens
    options.ownSamples = ownSamples
    options.window = window
    options.seed = seed
    return options
  }
}

/// A calibration that is ready, or what to make one of.
struct CalibrationArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Use this calibration, which lmtool calibrate saved. Without it and without text the model is calibrated on its own samples.",
      valueName: "file"), completion: .file())
  var calibration: String?
  @OptionGroup var source: CalibrationTextArguments

  /// The options for `Calibration.obtain`.
  var options: CalibrationOptions {
    var options = source.options
    options.file = calibration
    return options
  }

  /// Whether anything was asked for.
  var isGiven: Bool { options != CalibrationOptions() }
}
