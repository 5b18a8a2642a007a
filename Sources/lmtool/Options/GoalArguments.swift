import ArgumentParser
import Compression

/// What a compression aims at.
struct GoalArguments: ParsableArguments {
  @Option(help: "The most bytes that the file may have: 40MB, 38.1MiB, 40000000.")
  var budget: ByteSize?
  @Option(help: ArgumentHelp("So many bits of the file per weight, instead of a budget.", valueName: "n"))
  var bits: Double?
  @Option(
    help: ArgumentHelp(
      "The smallest file whose KL from the original, in nats on text that calibration has not seen, is at most this.",
      valueName: "nats"))
  var kl: Double?

  func validate() throws {
    if [budget != nil, bits != nil, kl != nil].count(where: { $0 }) > 1 {
      throw ValidationError("give one of --budget, --bits and --kl")
    }
    if let bits, !(0.1...32).contains(bits) { throw ValidationError("--bits must be from 0.1 to 32") }
    if let kl, !(kl > 0 && kl < 100) { throw ValidationError("--kl must be a number of nats above 0") }
  }

  /// The goal of rate mode; nil when nothing was said.
  var goal: RateGoal? {
    if let budget { return .bytes(budget.bytes) }
    if let bits { return .bits(bits) }
    return kl.map { .divergence($0) }
  }
}
