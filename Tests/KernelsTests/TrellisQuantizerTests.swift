import Kernels
import TestSupport
import Testing

/// Indices of the trellis; rule RATE-1 of `formats/rate.md` says which values they stand for.
struct TrellisQuantizerTests {
  /// Costs of two models, for classes with and without low bits that cost the same: `slope` for each step of the high part.
  private static func costs(slope: Float) -> TrellisQuantizer.Costs {
    let span = TrellisQuantizer.Costs.span
    let row = (-span..<span).map { slope * Float(abs($0)) }
    return TrellisQuantizer.Costs(
      models: (0..<88).map { UInt8($0 & 1) }, shifts: (0..<88).map { $0 < 40 ? 0 : UInt8(($0 - 36) / 4) },
      high: Array([row, row, row, row].joined()))
  }

  private struct Problem {
    let rows, columns: Int
    let weights, feedback, columnSteps, rowSteps: [Float]

    init(_ rows: Int, _ columns: Int, scale: Float = 10, feedback strength: Float = 0.3) {
      var noise = Noise(UInt64(rows * 1000 + columns))
      (self.rows, self.columns) = (rows, columns)
      weights = noise.floats(rows * columns).map { $0 * scale }
      feedback = noise.floats(columns * columns).enumerated().map { $0 % columns < $0 / columns ? $1 * strength : 0 }
      columnSteps = noise.floats(columns).map { 1 + 0.5 * $0 }
      rowSteps = noise.floats(rows).map { 1 + 0.5 * $0 }
    }

    func quantize(slope: Float = 0, lanes: Range<Int>? = nil, trellis: RateTrellis = .states32) -> [Int16]? {
      let quantizer = TrellisQuantizer(
        feedback: feedback, columnSteps: columnSteps, columnCodes: (0..<columns).map { UInt8(60 + $0 % 30) },
        costs: TrellisQuantizerTests.costs(slope: slope), trellis: trellis)
      let kept = lanes.map { $0.lowerBound * 64..<min($0.upperBound * 64, rows) } ?? 0..<rows
      return weights.withUnsafeBufferPointer {
        quantizer.quantize(
          $0.baseAddress! + kept.lowerBound * columns, rowSteps: Array(rowSteps[kept]),
          rowCodes: kept.map { UInt8(120 + $0 % 16) })
      }
    }

    /// Errors in steps, of the values against the weights with the feedback of the errors before: in double precision.
    func errors(_ indices: [Int16], trellis: RateTrellis = .states32) -> [Double] {
      var errors = [Double](repeating: 0, count: rows * columns)
      let values = trellisValues(indices, rows: rows, columns: columns, trellis: trellis)
      for row in 0..<rows {
        var raw = [Double](repeating: 0, count: columns)
        for c in 0..<columns {
          let weight = Double(weights[row * columns + c]), step = Double(columnSteps[c]) * Double(rowSteps[row])
          let target = (0..<c).reduce(weight) { $0 + Double(feedback[c * columns + $1]) * raw[$1] }
          raw[c] = weight - Double(values[row * columns + c]) * step
          errors[row * columns + c] = (target - Double(values[row * columns + c]) * step) / step
        }
      }
      return errors
    }
  }

  @Test(arguments: [(1, 1), (1, 70), (63, 5), (64, 64), (65, 3), (130, 130)])
  func valuesLieBesideTargetsThatFeedbackMoved(rows: Int, columns: Int) throws {
    let problem = Problem(rows, columns), indices = try #require(problem.quantize())
    let errors = problem.errors(indices)
    // From any state the values of one parity are at most four apart.
    #expect(errors.allSatisfy { abs($0) < 2.001 })
    guard errors.count > 1000 else { return }
    let mean = errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)
    #expect(mean > 0.2 && mean < 0.3, "a third without a trellis: \(mean)")
  }

  @Test func moreStatesMakeSmallerErrors() throws {
    let problem = Problem(128, 200)
    let means = try RateTrellis.allCases.map { trellis in
      let errors = problem.errors(try #require(problem.quantize(trellis: trellis)), trellis: trellis)
      return errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)
    }
    #expect(means[1] < means[0] && means[2] < 0.99 * means[0] && means[5] < 0.99 * means[2], "\(means)")
  }

  @Test func costsDrawIndicesToZero() throws {
    let problem = Problem(64, 80)
    let sums = try [0, 0.3, 3, 1000].map { (slope: Float) in
      try #require(problem.quantize(slope: slope)).reduce(0) { $0 + Int($1.magnitude) }
    }
    #expect(sums[0] > sums[1] && sums[1] > sums[2] && sums[2] > sums[3])
    #expect(Problem(70, 3, scale: 0).weights.allSatisfy { $0 == 0 })
    #expect(try #require(Problem(70, 3, scale: 0).quantize(slope: 0.1)).allSatisfy { $0 == 0 })
  }

  @Test func lanesDoNotKnowOfEachOther() throws {
    let problem = Problem(150, 20), indices = try #require(problem.quantize(slope: 0.2))
    let parts = try [0..<1, 1..<2, 2..<3].flatMap { try #require(problem.quantize(slope: 0.2, lanes: $0)) }
    #expect(parts == indices)
  }

  @Test func weightsOutOfReachAreRefused() {
    func indices(_ weights: [Float]) -> [Int16]? {
      TrellisQuantizer(
        feedback: [0], columnSteps: [0.5], columnCodes: [255], costs: Self.costs(slope: 0.001), trellis: .states32
      ).quantize(
        weights, rowSteps: [Float](repeating: 2, count: weights.count), rowCodes: [UInt8](repeating: 128, count: weights.count))
    }
    var many = [Float](repeating: 1, count: 200)
    #expect(indices(many) != nil)
    for weight: Float in [32760, -32760] {
      let found = indices([weight]).map { trellisValues($0, rows: 1, columns: 1)[0] }
      #expect(found.map { abs($0 - Int(weight)) <= 2 } == true)
    }
    for weight: Float in [32770, -32770, 1e10, 1e30, .infinity, .nan] {
      many[150] = weight
      #expect(indices(many) == nil, "\(weight)")
    }
  }

  @Test func threadsAndInstructionSetsDoNotChangeAnIndex() throws {
    let problem = Problem(200, 130)
    defer { ThreadPool.configure(threads: ThreadPool.availableCores) }
    let expected = agreed("trellis") { (problem.quantize(slope: 0.2) ?? []).map(Float.init) }
    #expect(expected.count == 200 * 130)
    for threads in [1, 2, 3] {
      ThreadPool.configure(threads: threads)
      #expect(problem.quantize(slope: 0.2)?.map(Float.init) == expected, "\(threads) threads")
    }
  }
}

/// The values of indices, [rows, columns], by rule RATE-1.
func trellisValues(_ indices: [Int16], rows: Int, columns: Int, trellis: RateTrellis = .states32) -> [Int] {
  var values = [Int](repeating: 0, count: rows * columns)
  for top in stride(from: 0, to: rows, by: 64) {
    var state = 0
    for column in 0..<columns {
      for row in top..<min(top + 64, rows) {
        let index = Int(indices[row * columns + column])
        values[row * columns + column] = 2 * index - state % 2 * index.signum()
        state = nextTrellisState(state, index: index, states: trellis.states)
      }
    }
  }
  return values
}
