import Kernels
import Models
import Tensors

/// How one test went with the threads of the shared pool.
public struct BenchmarkResult: Sendable {
  /// What was measured.
  public let test: BenchmarkTest
  /// Threads in use.
  public let threads: Int
  /// Tokens per second of every repetition, in order.
  public let samples: [Double]
  /// The samples in short.
  public let rate: RateStatistics
  /// Operations of a token, as `TokenCost` counts them.
  public let operationsPerToken: Double
  /// Bytes that a token reads, of a decode test; nil for prefill, whose tokens share what is read.
  public let bytesPerToken: Double?
  /// The arithmetic whose peak is the ceiling of prefill.
  public let arithmetic: MachineCeilings.Arithmetic

  /// A result from the samples.
  package init(_ test: BenchmarkTest, threads: Int, samples: [Double], cost: TokenCost) {
    self.test = test
    self.threads = threads
    self.samples = samples
    rate = RateStatistics(samples)
    operationsPerToken = cost.operations(in: test)
    bytesPerToken = test.phase == .decode ? cost.bytes(in: test) : nil
    arithmetic = cost.isQuantized ? .int8 : .f32
  }

  /// Operations per second, on average.
  public var operationsPerSecond: Double { rate.mean * operationsPerToken }

  /// Bytes per second, on average; nil for prefill.
  public var bytesPerSecond: Double? { bytesPerToken.map { $0 * rate.mean } }

  /// How much of its ceiling the test reaches: of the peak for prefill, of the bandwidth for decode. Above 1 where weights come from
  /// a cache. Nil when the machine has no instruction for the arithmetic.
  public func fraction(of ceilings: MachineCeilings) -> Double? {
    if let bytesPerSecond { return bytesPerSecond / ceilings.bandwidth }
    return ceilings.peaks[arithmetic].map { operationsPerSecond / $0 }
  }
}

/// Measures how fast a model runs, the way llama-bench does: random tokens, one repetition that does not count, then those that do.
public struct Benchmark {
  private let model: Transformer
  private let cache: CacheFormat
  private let repetitions: Int
  private let cost: TokenCost
  private let clock = ContinuousClock()

  /// A benchmark of a model whose keys and values are held as `cache`; `repetitions` of each test count, at least one.
  public init(_ model: Transformer, cache: CacheFormat, repetitions: Int) {
    self.model = model
    self.cache = cache
    self.repetitions = max(1, repetitions)
    cost = TokenCost(model, cache: cache)
  }

  /// Runs tests with the threads of the shared pool. Tests of one depth share what is in the cache before.
  ///
  /// - Throws: `usage` when a test does not fit the memory of a session.
  public func run(_ tests: [BenchmarkTest], progress: ProgressConsumer? = nil) throws(LMToolError) -> [BenchmarkResult] {
    let depths = tests.reduce(into: [Int]()) { if !$0.contains($1.depth) { $0.append($1.depth) } }
    let total = depths.reduce(0, +) + tests.reduce(0) { $0 + $1.tokens * (repetitions + 1) }
    let stage = "measure with \(ThreadPool.shared.threads) thread\(ThreadPool.shared.threads == 1 ? "" : "s")"
    var done = 0
    func advance(_ tokens: Int) {
      done += tokens
      progress?(ProgressUpdate(stage: stage, done: done, total: total, unit: .tokens))
    }
    advance(0)
    var results: [BenchmarkTest: BenchmarkResult] = [:]
    for depth in depths {
      let group = tests.filter { $0.depth == depth }
      let session = Session(model, capacity: depth + (group.map(\.tokens).max() ?? 0), cache: cache)
      try session.forward(tokens(depth), logits: .none)
      advance(depth)
      for test in group { results[test] = try measure(test, session, advance) }
    }
    return tests.compactMap { results[$0] }
  }

  private func measure(
    _ test: BenchmarkTest, _ session: Session, _ advance: (Int) -> Void
  ) throws(LMToolError) -> BenchmarkResult {
    let tokens = tokens(test.tokens)
    var samples: [Double] = []
    for repetition in 0...repetitions {
      session.truncate(to: test.depth)
      let start = clock.now
      try session.take(tokens, in: test.phase)
      let seconds = max(1e-9, (clock.now - start).seconds)
      if repetition > 0 { samples.append(Double(test.tokens) / seconds) }
      advance(test.tokens)
    }
    return BenchmarkResult(test, threads: ThreadPool.shared.threads, samples: samples, cost: cost)
  }

  private func tokens(_ count: Int) -> [Int32] { model.randomTokens(count) }
}

extension Session {
  /// Runs tokens at once or one by one; the last one, or each, with its logits.
  func take(_ tokens: [Int32], in phase: BenchmarkTest.Phase) throws(LMToolError) {
    switch phase {
    case .prefill: try forward(tokens)
    case .decode: for token in tokens { try forward(CollectionOfOne(token)) }
    }
  }
}

extension Transformer {
  /// Tokens that stand for any text: the same ones every time.
  func randomTokens(_ count: Int) -> [Int32] {
    var random = Random(seed: 1)
    return (0..<count).map { _ in Int32.random(in: 0..<Int32(spec.vocabularySize), using: &random) }
  }
}
