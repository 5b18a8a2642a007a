import ArgumentParser
import Compression

extension PruningOptions.Layers: ExpressibleByArgument {
  /// How many, as "4", or which, as "3,7,20-22"; one alone is "7-7".
  public init?(argument: String) {
    if let count = Int(argument) {
      self = .count(count)
      return
    }
    var layers: [Int] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends[0], let last = ends.last ?? nil, ends.count <= 2, first >= 0, first <= last, last < 4096 else {
        return nil
      }
      layers += Array(first...last)
    }
    self = .list(layers)
  }
}
