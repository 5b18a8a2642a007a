import Compression
import Inference
import Kernels
import Models
import Tensors
import TestSupport
import Testing

/// Second moments of inputs, and what of a drift they explain.
struct MomentsTests {
  private let size = 37

  private func inputs(_ seed: UInt64, _ tokens: Int) -> [Float] {
    var noise = Noise(seed)
    return noise.floats(tokens * size)
  }

  /// Σ over the tokens of a[i] b[j], [size, size].
  private func sums(_ a: [Double], _ b: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: size * size)
    for start in stride(from: 0, to: a.count, by: size) {
      for i in 0..<size { for j in 0..<size { sums[i * size + j] += a[start + i] * b[start + j] } }
    }
    return sums
  }

  private func isClose(_ values: [Double], _ expected: [Double], _ tolerance: Double) -> Bool {
    values.count == expected.count && zip(values, expected).allSatisfy { abs($0 - $1) <= tolerance }
  }

  @Test func momentsAreSumsOverAllBatches() {
    let moments = Moments(size: size, hasOriginal: true)
    let own = [inputs(1, 50), inputs(2, 1), inputs(3, 300)], original = [inputs(4, 50), inputs(5, 1), inputs(6, 300)]
    for (own, original) in zip(own, original) { moments.add(own, original: original, count: own.count / size) }
    let x = own.joined().map(Double.init), drift = zip(original.joined(), x).map { Double($0) - $1 }
    let exact = sums(x, x)
    #expect(moments.tokens == 351)
    #expect(isClose(moments.own, exact, 1e-4) && isClose(moments.difference, sums(drift, x), 1e-4))
    #expect(isClose(moments.mean.map(Double.init), exact.map { $0 / 351 }, 1e-6))
    let trace = (0..<size).reduce(0) { $0 + exact[$1 * (size + 1)] }
    #expect(abs(moments.meanSquare - trace / 351 / Double(size)) < 1e-6)
    for i in 0..<size { for j in 0..<i { #expect(moments.own[i * size + j] == moments.own[j * size + i]) } }
  }

  @Test func withoutAnOriginalThereIsNoDifference() {
    let moments = Moments(size: size, hasOriginal: false)
    #expect(moments.meanSquare == 0 && moments.mean.allSatisfy { $0 == 0 })
    moments.add(inputs(1, 5), count: 5)
    #expect(moments.difference.isEmpty && moments.tokens == 5)
  }

  @Test func equalInputsDoNotDrift() throws {
    let moments = Moments(size: size, hasOriginal: true), x = inputs(1, 100)
    moments.add(x, original: x, count: 100)
    #expect(moments.difference.allSatisfy { $0 == 0 })
    #expect(moments.drift(try moments.factor(damping: 0.01)).allSatisfy { $0 == 0 })
  }

  /// M S = E[(x - x̂) x̂ᵀ]; where the inputs are a linear function of each other, M is that function.
  @Test func driftIsTheLeastSquaresAnswer() throws {
    let moments = Moments(size: size, hasOriginal: true), x = inputs(1, 400), shift = inputs(2, size)
    let original = (0..<x.count).map { place in
      let (token, i) = place.quotientAndRemainder(dividingBy: size)
      return (0..<size).reduce(x[place]) { $0 + shift[i * size + $1] * x[token * size + $1] }
    }
    moments.add(x, original: original, count: 400)
    let exact = moments.drift(try moments.factor(damping: 1e-9))
    #expect(zip(exact, shift).allSatisfy { abs($0 - $1) < 1e-3 })
    let damped = moments.drift(try moments.factor(damping: 1))
    #expect(damped.reduce(0) { $0 + $1 * $1 } < 0.5 * shift.reduce(0) { $0 + $1 * $1 })
  }

  @Test func factorsAreDampedUntilThereIsOne() throws {
    // 3 inputs seen by 2 tokens: without damping there is no factor.
    let moments = Moments(size: 3, hasOriginal: false)
    moments.add([1, 2, 3, 4, 5, 6], count: 2)
    #expect(try moments.factor(damping: 0.01).deviations.allSatisfy { $0 > 0 && $0.isFinite })
    // Indefinite: 0.01 is not enough, and ten times as much as often as needed is.
    let deviations = try Moments.factor([1, 3, 3, 1], size: 2, damping: 0.01).deviations
    #expect(abs(deviations[1] - 11.0.squareRoot()) < 1e-9)
    #expect(try Moments.factor([0, 0, 0, 0], size: 2, damping: 0.01).deviations.allSatisfy { $0 > 0 })
    #expect(try Moments.factor([-1, 0, 0, -1], size: 2, damping: 0.01).deviations.allSatisfy { $0 > 0 })
    let large: Float = 3e38
    #expect(try Moments.factor([large, large, large, large], size: 2, damping: 0.01).deviations.allSatisfy(\.isFinite))
  }

  @Test func inAnotherOrderTheFactorIsThatOfTheOrder() throws {
    let moments = Moments(size: size, hasOriginal: false), order = (0..<size).map { $0 * 5 % size }
    moments.add(inputs(1, 100), count: 100)
    let sorted = order.flatMap { row in order.map { moments.mean[row * size + $0] } }
    let expected = try Moments.factor(sorted, size: size, damping: 0.01)
    #expect(try moments.factor(damping: 0.01, order: order).feedback() == expected.feedback())
  }

  @Test func whatIsNotFiniteIsRefused() {  // MODEL-5
    for value: Float in [.nan, .infinity, -.infinity] {
      for place in [0, 1, 3] {
        var moment: [Float] = [1, 0, 0, 1]
        moment[place] = value
        #expect(expectFailure(.badInput) { _ = try Moments.factor(moment, size: 2, damping: 0.01) }?.rule == "MODEL-5")
      }
      let moments = Moments(size: 3, hasOriginal: false)
      moments.add([1, 2, 3, 4, value, 6], count: 2)
      #expect(expectFailure(.badInput) { _ = try moments.factor(damping: 0.01) }?.rule == "MODEL-5")
    }
  }
}
