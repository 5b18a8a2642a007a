import ArgumentParser
import Compression

extension VocabularyGoal: ExpressibleByArgument {
  /// "auto", "all", or a number of tokens.
  public init?(argument: String) {
    switch argument {
    case "auto": self = .automatic
    case "all": self = .whole
    default:
      guard let size = Int(argument), size > 0 else { return nil }
      self = .tokens(size)
    }
  }
}
