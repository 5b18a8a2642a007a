/// What is measured: so many tokens, at once or one by one, after `depth` tokens that are in the cache already.
public struct BenchmarkTest: Hashable, Sendable {
  /// Whether tokens come together or one after the other.
  public enum Phase: String, Sendable {
    /// All at once, as a prompt.
    case prefill
    /// One by one, as an answer.
    case decode
  }

  /// How the tokens come.
  public var phase: Phase
  /// Tokens that are counted, at least 1.
  public var tokens: Int
  /// Tokens in the cache before.
  public var depth: Int

  /// A test.
  public init(_ phase: Phase, tokens: Int, depth: Int = 0) {
    self.phase = phase
    self.tokens = tokens
    self.depth = depth
  }

  /// The tests of all these lengths at all these depths, each once; lengths of 0 are left out.
  public static func all(prompts: [Int], generations: [Int], depths: [Int]) -> [BenchmarkTest] {
    var tests: [BenchmarkTest] = []
    for depth in depths {
      tests += prompts.map { BenchmarkTest(.prefill, tokens: $0, depth: depth) }
      tests += generations.map { BenchmarkTest(.decode, tokens: $0, depth: depth) }
    }
    var known: Set<BenchmarkTest> = []
    return tests.filter { $0.tokens > 0 && known.insert($0).inserted }
  }

  /// The name that llama-bench gives it: "pp512", "tg64 @ d1024".
  public var name: String { (phase == .prefill ? "pp" : "tg") + "\(tokens)" + (depth > 0 ? " @ d\(depth)" : "") }
}

/// How repetitions of a test went.
public struct RateStatistics: Sendable, Equatable {
  /// The mean of the rates.
  public let mean: Double
  /// Their standard deviation, with n - 1; 0 for a single one.
  public let deviation: Double
  /// The highest.
  public let best: Double

  /// The statistics of some rates; zeros for none.
  public init(_ rates: [Double]) {
    let mean = rates.reduce(0, +) / Double(max(1, rates.count))
    let squares = rates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    self.mean = mean
    deviation = rates.count > 1 ? (squares / Double(rates.count - 1)).squareRoot() : 0
    best = rates.max() ?? 0
  }
}
