import ArgumentParser
import Compression

extension StructureGoal: ExpressibleByArgument {
  /// "auto" or "all".
  public init?(argument: String) {
    switch argument {
    case "auto": self = .automatic
    case "all": self = .whole
    default: return nil
    }
  }

  /// The values, for completions.
  public static var allValueStrings: [String] { ["auto", "all"] }
}
