import Tokenizers

/// How often tokens come up in texts, and how often they may be expected in other texts of the kind.
public struct TokenUse: Sendable {
  /// How often each token came up in each half of the texts; stretches go to the halves in turn.
  private var halves: [[Int]]
  private var totals = [0, 0]
  private var length = 0

  /// Tokens of a stretch: long enough for a subject of its own.
  private static let stretch = 16_384

  /// No text yet, of a vocabulary of `size` tokens.
  public init(size: Int) { halves = Array(repeating: Array(repeating: 0, count: size), count: 2) }

  /// Tokens in all.
  public var total: Int { length }
  /// How often each token came up.
  public var counts: [Int] { zip(halves[0], halves[1]).map { $0 + $1 } }

  /// Counts the tokens of a text.
  public mutating func add(_ tokens: some Sequence<Int32>) {
    for token in tokens where token < halves[0].count {
      let half = length / Self.stretch % 2
      halves[half][Int(token)] += 1
      totals[half] += 1
      length += 1
    }
  }

  /// The share of each token among the tokens of other texts of the kind.
  ///
  /// A token that came up c times in N is expected (c + a) / (N + a / m) times: before anything was counted its share was m, and
  /// `a` tells how far that holds. It is such that the tokens which one half of the texts lacks are expected in the
  /// other half as often as they came up there.
  ///
  /// - Parameter expected: m of each token, what a model expects of it; nil for what its rank says.
  public func shares(expected: [Double]? = nil) -> [Double] {
    let byRank = shareByRank()
    let means = expected.map { zip($0, byRank).map { ($0 + $1) / 2 } } ?? byRank
    let shape = shape(means)
    return zip(counts, means).map { count, mean in Self.share(count, Double(length), mean, shape) }
  }

  private static func share(_ count: Int, _ total: Double, _ mean: Double, _ shape: Double) -> Double {
    (Double(count) + shape) / (total + shape / mean)
  }

  /// `a` of `shares`, by bisection: what is expected of unseen tokens grows with it.
  private func shape(_ means: [Double]) -> Double {
    var (low, high) = (0.001, 100.0)
    let seen = (0..<2).reduce(0) { sum, half in
      sum + means.indices.reduce(0) { $0 + (halves[half][$1] == 0 ? halves[1 - half][$1] : 0) }
    }
    func expected(_ shape: Double) -> Double {
      (0..<2).reduce(0) { sum, half in
        sum
          + means.indices.reduce(0.0) {
            guard halves[half][$1] == 0 else { return $0 }
            return $0 + Self.share(0, Double(totals[half]), means[$1], shape) * Double(totals[1 - half])
          }
      }
    }
    for _ in 0..<30 {
      let middle = (low + high) / 2
      if expected(middle) < Double(seen) { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// The mean share of the tokens of about the same rank: ids are in the order of merges, so the mean falls with them, and a
  /// token that did not come up may expect what its neighbours got.
  private func shareByRank() -> [Double] {
    let counts = self.counts, width = max(16, counts.count / 64)
    var sums = [0]
    sums.reserveCapacity(counts.count + 1)
    for count in counts { sums.append(sums[sums.count - 1] + count) }
    // One token more, so that no share is nothing.
    let scale = 1 / (Double(length) + 1)
    return counts.indices.map { id in
      let low = max(0, id - width), high = min(counts.count, id + width + 1)
      return (Double(sums[high] - sums[low]) + 1 / Double(counts.count)) / Double(high - low) * scale
    }
  }
}
