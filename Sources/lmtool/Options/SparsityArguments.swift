import ArgumentParser
import Compression

/// Which weights become zero.
struct SparsityArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The fraction of the weights of each matrix that become zero, embedding and head aside.", valueName: "fraction"))
  var sparsity: Double?
  @Option(help: ArgumentHelp("Keep at most N of every M weights of a row that follow one another: 2:4.", valueName: "n:m"))
  var pattern: String?
  @Option(help: "How weights are chosen that become zero: magnitude, wanda or sparsegpt (default: sparsegpt).")
  var method: SparsityMethod?

  func validate() throws {
    if sparsity != nil, pattern != nil { throw ValidationError("give one of --sparsity and --pattern") }
    if method != nil, sparsity == nil, pattern == nil { throw ValidationError("--method goes with --sparsity or --pattern") }
    if pattern != nil, choice == nil { throw ValidationError("--pattern is two numbers, such as 2:4") }
  }

  private var choice: SparsityPattern? {
    if let sparsity { return .fraction(sparsity) }
    let parts = (pattern ?? "").split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let keep = parts[0], let of = parts[1] else { return nil }
    return .pattern(keep: keep, of: of)
  }

  /// What was asked for; nil for nothing.
  var options: Sparsity? { choice.map { Sparsity($0, method: method ?? .sparsegpt) } }
}

extension SparsityMethod: ExpressibleByArgument {}
