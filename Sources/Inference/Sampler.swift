import Kernels
import Tensors

/// How the next token is chosen from the logits.
public struct SamplingOptions: Sendable, Equatable {
  /// Logits are divided by it; 0 takes the most likely token.
  public var temperature: Double = 0.8
  /// Only the so many most likely tokens are kept; 0 keeps all.
  public var topK = 40
  /// Only the most likely tokens that together reach this probability are kept; 1 keeps all.
  public var topP: Double = 0.95
  /// Only tokens at least this fraction as likely as the likeliest are kept; 0 keeps all.
  public var minP: Double = 0.05
  /// Logits of tokens seen among the last 64 are divided (positive) or multiplied (negative) by it; 1 changes nothing.
  public var repeatPenalty: Double = 1
  /// The seed of the random numbers.
  public var seed: UInt64 = 0

  /// The defaults, which are those of llama.cpp.
  public init() {}

  /// The most likely token, always.
  public static var greedy: SamplingOptions {
    var options = SamplingOptions()
    options.temperature = 0
    return options
  }

  /// Refuses values that mean nothing.
  public func validate() throws(LMToolError) {
    func require(_ holds: Bool, _ message: String) throws(LMToolError) {
      if !holds { throw LMToolError(.usage, message) }
    }
    try require(temperature >= 0 && temperature.isFinite, "--temperature must be 0 or more")
    try require(topK >= 0, "--top-k must be 0 (off) or more")
    try require(topP > 0 && topP <= 1, "--top-p must be above 0 and at most 1")
    try require(minP >= 0 && minP <= 1, "--min-p must be from 0 to 1")
    try require(repeatPenalty > 0 && repeatPenalty.isFinite, "--repeat-penalty must be above 0")
  }
}

/// Chooses tokens: repetition penalty, top-k, top-p, min-p, temperature, in this order, as llama.cpp does by default.
public struct Sampler: Sendable {
  private struct Candidate {
    var token: Int32
    var logit: Float
  }

  /// Tokens that the repetition penalty looks back on.
  public static let lookBack = 64

  private let options: SamplingOptions
  private var random: Random
  private var recent: [Int32] = []

  /// A sampler at the start of its random sequence.
  public init(_ options: SamplingOptions) {
    self.options = options
    random = Random(seed: options.seed)
  }

  /// Counts a token among those seen.
  public mutating func accept(_ token: Int32) {
    recent.append(token)
    if recent.count > Self.lookBack { recent.removeFirst() }
  }

  /// Chooses the next token.
  public mutating func sample(_ logits: Logits) -> Int32 {
    if options.temperature == 0 && options.repeatPenalty == 1 {
      return logits.withUnsafeBufferPointer { Int32($0.baseAddress.map { argmax($0, count: logits.count) } ?? 0) }
    }
    var candidates = logits.enumerated().map { Candidate(token: Int32($0.offset), logit: $0.element) }
    penalize(&candidates)
    if options.temperature == 0 { return most(candidates).token }
    keepMostLikely(&candidates)
    return draw(candidates)
  }

  private func penalize(_ candidates: inout [Candidate]) {
    guard options.repeatPenalty != 1 else { return }
    let penalty = Float(options.repeatPenalty)
    for token in Set(recent) where token >= 0 && Int(token) < candidates.count {
      let logit = candidates[Int(token)].logit
      candidates[Int(token)].logit = logit > 0 ? logit / penalty : logit * penalty
    }
  }

  private func most(_ candidates: [Candidate]) -> Candidate {
    candidates.reduce(candidates[0]) { $1.logit > $0.logit ? $1 : $0 }
  }

  /// Top-k, then top-p, then min-p; leaves the candidates sorted, likeliest first.
  private func keepMostLikely(_ candidates: inout [Candidate]) {
    let count = options.topK > 0 ? min(options.topK, candidates.count) : candidates.count
    if count <= Self.insertionLimit {
      candidates = Self.largest(count, of: candidates)
    } else {
      candidates.sort(by: Self.precedes)
      candidates.removeLast(candidates.count - count)
    }
    let top = candidates[0].logit
    let total = candidates.reduce(0.0) { $0 + Self.exponential($1.logit - top) }
    var sum = 0.0, kept = 0
    while kept < candidates.count && sum < options.topP * total {
      sum += Self.exponential(candidates[kept].logit - top)
      kept += 1
    }
    candidates.removeLast(candidates.count - max(1, kept))
    candidates.removeAll { Self.exponential($0.logit - top) < options.minP }
  }

  private mutating func draw(_ candidates: [Candidate]) -> Int32 {
    let top = candidates[0].logit
    let weights = candidates.map { Self.exponential(Float(Double($0.logit - top) / options.temperature)) }
    var left = random.unit() * weights.reduce(0, +)
    for (candidate, weight) in zip(candidates, weights) {
      left -= weight
      if left < 0 { return candidate.token }
    }
    return candidates[candidates.count - 1].token
  }

  /// Up to so many candidates are found by insertion, which takes their number times the vocabulary; more by sorting.
  private static let insertionLimit = 256

  /// The `count` likeliest, sorted.
  private static func largest(_ count: Int, of candidates: [Candidate]) -> [Candidate] {
    var kept: [Candidate] = []
    for candidate in candidates where kept.count < count || precedes(candidate, kept[kept.count - 1]) {
      let place = kept.firstIndex { precedes(candidate, $0) } ?? kept.count
      kept.insert(candidate, at: place)
      if kept.count > count { kept.removeLast() }
    }
    return kept
  }

  private static func precedes(_ a: Candidate, _ b: Candidate) -> Bool {
    a.logit != b.logit ? a.logit > b.logit : a.token < b.token
  }

  /// exp(x) by the kernels' own function, so that samples do not depend on the machine's library.
  private static func exponential(_ x: Float) -> Double { Double(Kernels.exponential(x)) }
}
