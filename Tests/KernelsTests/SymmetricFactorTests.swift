import Kernels
import TestSupport
import Testing

/// Factors of second moments beside plain arithmetic in double precision.
struct SymmetricFactorTests {
  private static let sizes = [1, 2, 31, 64, 65, 130]

  /// XᵀX of as many random rows as columns, and a little on the diagonal.
  private static func moment(_ size: Int) -> [Float] {
    var noise = Noise(UInt64(size))
    let x = noise.floats(size * size).map(Double.init)
    return (0..<size * size).map { index in
      let (i, j) = index.quotientAndRemainder(dividingBy: size)
      return Float((0..<size).reduce(i == j ? 0.5 : 0) { $0 + x[$1 * size + i] * x[$1 * size + j] })
    }
  }

  /// V [size, size], upper triangular, with S = V Vᵀ: the last column first.
  private static func triangle(_ moment: [Float], _ size: Int) -> [Double] {
    var v = [Double](repeating: 0, count: size * size)
    for c in (0..<size).reversed() {
      for j in (0...c).reversed() {
        let rest = (c + 1..<size).reduce(Double(moment[j * size + c])) { $0 - v[j * size + $1] * v[c * size + $1] }
        v[j * size + c] = j == c ? rest.squareRoot() : rest / v[c * size + c]
      }
    }
    return v
  }

  @Test(arguments: sizes) func deviationsAndFeedbackAreThoseOfTheTriangle(size: Int) throws {
    let moment = Self.moment(size), v = Self.triangle(moment, size)
    let factor = try #require(SymmetricFactor(moment, size: size, damping: 0)), feedback = factor.feedback()
    #expect(factor.size == size && factor.deviations.count == size && feedback.count == size * size)
    for c in 0..<size {
      #expect(abs(factor.deviations[c] / v[c * size + c] - 1) < 1e-10)
      for j in 0..<size {
        let exact = j < c ? v[j * size + c] / v[c * size + c] : 0
        #expect(abs(Double(feedback[c * size + j]) - exact) <= 1e-6 * abs(exact), "row \(c), column \(j)")
      }
    }
  }

  /// e S eᵀ = Σ_c (deviation c · (e_c + Σ_{j<c} feedback_cj e_j))², which is why later columns can make up for earlier ones.
  @Test(arguments: sizes) func errorsCostWhatIsLeftAfterFeedback(size: Int) throws {
    let moment = Self.moment(size), damping = 0.25
    let factor = try #require(SymmetricFactor(moment, size: size, damping: damping))
    let feedback = factor.feedback(), deviations = factor.deviations
    var noise = Noise(9), cost = 0.0, sum = 0.0
    let errors = noise.floats(size).map(Double.init)
    for i in 0..<size {
      for j in 0..<size { cost += errors[i] * errors[j] * (Double(moment[i * size + j]) + (i == j ? damping : 0)) }
      let left = (0..<i).reduce(errors[i]) { $0 + Double(feedback[i * size + $1]) * errors[$1] }
      sum += deviations[i] * deviations[i] * left * left
    }
    #expect(abs(sum / cost - 1) < 1e-5)
  }

  @Test(arguments: sizes, [1, 31, 32, 33, 70]) func solutionsSolve(size: Int, count: Int) throws {
    let moment = Self.moment(size), damping = 0.1
    var noise = Noise(3)
    let given = noise.floats(count * size)
    let factor = try #require(SymmetricFactor(moment, size: size, damping: damping))
    var solved = given
    solved.withUnsafeMutableBufferPointer { factor.solve($0.baseAddress!, count: count) }
    for row in 0..<count {
      for j in 0..<size {
        var value = Double(solved[row * size + j]) * damping, magnitude = abs(value)
        for i in 0..<size {
          let term = Double(solved[row * size + i]) * Double(moment[i * size + j])
          value += term
          magnitude += abs(term)
        }
        #expect(abs(value - Double(given[row * size + j])) <= 1e-6 * (magnitude + 1))
      }
    }
  }

  @Test func whatIsNotPositiveDefiniteHasNoFactor() {
    let size = 70
    func factor(damping: Double = 0, _ change: (inout [Float]) -> Void) -> SymmetricFactor? {
      var moment = Self.moment(size)
      change(&moment)
      return SymmetricFactor(moment, size: size, damping: damping)
    }
    #expect(factor { _ in } != nil)
    for place in [0, 1, 35, 68, 69] {
      for value: Float in [0, -1, .nan, -.infinity] { #expect(factor { $0[place * (size + 1)] = value } == nil) }
    }
    // A number that is none, in both halves.
    #expect(factor { ($0[3 * size + 60], $0[60 * size + 3]) = (.nan, .nan) } == nil)
    #expect(factor { ($0[3 * size + 60], $0[60 * size + 3]) = (.infinity, .infinity) } == nil)
    // More between two inputs than either has: indefinite until enough is added.
    #expect(factor { ($0[1], $0[size]) = (1e4, 1e4) } == nil)
    #expect(factor(damping: 2e4) { ($0[1], $0[size]) = (1e4, 1e4) } != nil)
    let ones = [Float](repeating: 1, count: size * size)
    #expect(SymmetricFactor(ones, size: size, damping: 0) == nil && SymmetricFactor(ones, size: size, damping: 1e-3) != nil)
  }

  @Test func threadsAndInstructionSetsDoNotChangeABit() throws {
    let size = 130, moment = Self.moment(size)
    var noise = Noise(5)
    let given = noise.floats(70 * size)
    func results() -> [Float] {
      guard let factor = SymmetricFactor(moment, size: size, damping: 0.1) else { return [] }
      var solved = given
      solved.withUnsafeMutableBufferPointer { factor.solve($0.baseAddress!, count: 70) }
      return factor.feedback() + solved
    }
    defer { ThreadPool.configure(threads: ThreadPool.availableCores) }
    let expected = agreed("factor") { results() }
    #expect(!expected.isEmpty)
    for threads in [1, 2, 3] {
      ThreadPool.configure(threads: threads)
      #expect(results() == expected, "\(threads) threads")
    }
  }
}
