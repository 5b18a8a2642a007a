import Inference
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How tokens are chosen from logits.
struct SamplerTests {
  /// Keeps the numbers that a view of logits refers to.
  private final class Numbers {
    let buffer: UnsafeMutableBufferPointer<Float>
    init(_ values: [Float]) {
      buffer = .allocate(capacity: values.count)
      _ = buffer.initialize(from: values)
    }
    deinit { buffer.deallocate() }
  }

  private func logits(_ values: [Float]) -> Logits {
    let numbers = Numbers(values)
    return Logits(UnsafeBufferPointer(numbers.buffer), owner: numbers)
  }

  /// Options that filter nothing.
  private func options(
    temperature: Double = 1, topK: Int = 0, topP: Double = 1, minP: Double = 0, penalty: Double = 1, seed: UInt64 = 0
  ) -> SamplingOptions {
    var options = SamplingOptions()
    options.temperature = temperature
    options.topK = topK
    options.topP = topP
    options.minP = minP
    options.repeatPenalty = penalty
    options.seed = seed
    return options
  }

  private func draws(_ options: SamplingOptions, _ values: [Float], count: Int = 300) -> [Int32] {
    var sampler = Sampler(options)
    let logits = logits(values)
    return (0..<count).map { _ in sampler.sample(logits) }
  }

  private let probabilities: [Float] = [0.125, 0.5, 0.3, 0.075]
  private var values: [Float] { probabilities.map { logf($0) } }

  @Test func equalLogitsGiveTheLowestToken() {
    let ties: [Float] = [1, 3, -2, 3, 3]
    #expect(Set(draws(.greedy, ties, count: 3)) == [1])
    #expect(Set(draws(options(temperature: 0, penalty: 1.5), ties, count: 3)) == [1])
    #expect(Set(draws(options(topK: 1), ties)) == [1])
  }

  @Test func oneCandidateIsTheLikeliest() {
    for strict in [options(topK: 1), options(minP: 1), options(topP: 1e-9), options(temperature: 1e-9)] {
      #expect(Set(draws(strict, values)) == [1])
    }
  }

  @Test func drawsFollowTheProbabilities() {
    let tokens = draws(options(seed: 7), values, count: 10_000)
    for (token, probability) in probabilities.enumerated() {
      #expect(abs(Float(tokens.count { $0 == token }) / 10_000 - probability) < 0.015, "token \(token)")
    }
  }

  @Test func temperatureFlattens() {
    let tokens = draws(options(temperature: 2, seed: 7), values, count: 10_000)
    let roots = probabilities.map { $0.squareRoot() }
    let expected = roots[3] / roots.reduce(0, +)
    #expect(abs(Float(tokens.count { $0 == 3 }) / 10_000 - expected) < 0.015)
  }

  @Test func filtersKeepTheLikeliest() {
    #expect(Set(draws(options(topK: 2), values)) == [1, 2])
    #expect(Set(draws(options(topK: 99), values)) == [0, 1, 2, 3])
    #expect(Set(draws(options(topP: 0.7), values)) == [1, 2])
    #expect(Set(draws(options(topP: 0.9), values)) == [0, 1, 2])
    #expect(Set(draws(options(minP: 0.5), values)) == [1, 2])
    #expect(Set(draws(options(minP: 0.2), values)) == [0, 1, 2])
  }

  @Test(arguments: [5, 300]) func topKKeepsExactlyTheLikeliestOfMany(count: Int) {
    let many = (0..<1000).map { Float($0 * 389 % 1000) / 1000 }
    let drawn = Set(draws(options(temperature: 10, topK: count), many, count: 5000))
    let likeliest = (0..<1000).sorted { many[$0] > many[$1] }.prefix(count).map(Int32.init)
    #expect(drawn == Set(likeliest))
  }

  @Test func theSeedDecides() {
    let one = draws(options(seed: 1), values)
    #expect(draws(options(seed: 1), values) == one)
    #expect(draws(options(seed: 2), values) != one)
  }

  @Test func seenTokensArePenalized() {
    func next(_ values: [Float], seen: [Int32]) -> Int32 {
      var sampler = Sampler(options(temperature: 0, penalty: 2))
      for token in seen { sampler.accept(token) }
      return sampler.sample(logits(values))
    }
    #expect(next([2, 1.5, -1], seen: []) == 0)
    #expect(next([2, 1.5, -1], seen: [0, 0]) == 1)
    #expect(next([-1, -1.5], seen: [0]) == 1)
    #expect(next([2, 1.5, -1], seen: [-1, 99]) == 0, "what is not in the vocabulary counts for nothing")
    let others = [Int32](repeating: 2, count: Sampler.lookBack)
    #expect(next([2, 1.5, -1], seen: [0] + others.dropLast()) == 1)
    #expect(next([2, 1.5, -1], seen: [0] + others) == 0, "only the last 64 count")
  }

  @Test func logitsThatAreNoNumbersDoNotTrap() {
    for value in [Float.nan, -.infinity, .infinity] {
      for token in draws(options(topK: 2), [value, value, value], count: 5) { #expect((0..<3).contains(token)) }
      for token in draws(options(topP: 0.5), [value, 1, value], count: 5) { #expect((0..<3).contains(token)) }
    }
  }

  @Test func meaninglessOptionsAreRefused() {
    let bad = [
      options(temperature: -1), options(temperature: .nan), options(temperature: .infinity), options(topK: -1), options(topP: 0),
      options(topP: 1.1), options(topP: .nan), options(minP: -0.1), options(minP: 1.1), options(penalty: 0),
      options(penalty: .infinity),
    ]
    for options in bad { expectFailure(.usage) { try options.validate() } }
    for options in [options(), .greedy, SamplingOptions()] { #expect(throws: Never.self) { try options.validate() } }
  }
}
