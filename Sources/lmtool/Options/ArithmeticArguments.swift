import ArgumentParser
import Inference

/// What quantized weights are multiplied with.
struct ArithmeticArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      How to multiply quantized weights: with activations of 8 bits, as run and chat do (integer), or exactly, as the 32-bit floats \
      that they stand for, which takes up to eight times the memory (float).
      """, valueName: "kind"))
  var arithmetic = Arithmetic.integer
}

extension Arithmetic: ExpressibleByArgument {
  /// By its name on the command line.
  public init?(argument: String) {
    guard let known = Self.allCases.first(where: { "\($0)" == argument }) else { return nil }
    self = known
  }

  /// The name on the command line.
  public var defaultValueDescription: String { "\(self)" }
  /// The names on the command line.
  public static var allValueStrings: [String] { allCases.map { "\($0)" } }
}
