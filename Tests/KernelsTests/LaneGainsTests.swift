import Kernels
import TestSupport
import Testing

/// Errors of rows that later lanes make up for.
struct LaneGainsTests {
  /// Moments of the groups of a matrix: outputs near each other have gradients alike, some of them larger ones.
  private static func moments(rows: Int) -> [[Float]] {
    LaneGains.groups(rows: rows).map { group in
      (0..<group.count * group.count).map { place in
        let (i, j) = (place / group.count, place % group.count)
        let correlation: Float = i == j ? 1 : 0.8 / (1 + 0.05 * Float(abs(i - j)))
        return correlation * Float(1 + i % 3) * Float(1 + j % 3)
      }
    }
  }

  private struct Problem {
    let rows, columns: Int
    let weights, feedback, columnSteps, rowSteps: [Float]

    init(_ rows: Int, _ columns: Int, feedback strength: Float) {
      var noise = Noise(UInt64(rows + columns))
      (self.rows, self.columns) = (rows, columns)
      weights = noise.floats(rows * columns).map { $0 * 10 }
      feedback = noise.floats(columns * columns).enumerated().map { $0 % columns < $0 / columns ? $1 * strength : 0 }
      columnSteps = noise.floats(columns).map { 1 + 0.5 * $0 }
      rowSteps = noise.floats(rows).map { 1 + 0.5 * $0 }
    }

    func quantize(_ gains: LaneGains?, weights: [Float]? = nil, rows some: Range<Int>? = nil) throws -> [Int16] {
      let span = TrellisQuantizer.Costs.span, row = (-span..<span).map { 0.1 * Float(abs($0)) }
      let costs = TrellisQuantizer.Costs(models: [0], shifts: [0], high: row + row)
      let quantizer = TrellisQuantizer(
        feedback: feedback, columnSteps: columnSteps, columnCodes: [UInt8](repeating: 128, count: columns), costs: costs,
        trellis: .states32)
      let codes = [UInt8](repeating: 128, count: some?.count ?? rows)
      return try #require(
        quantizer.quantize(weights ?? self.weights, rowSteps: Array(rowSteps[some ?? 0..<rows]), rowCodes: codes, gains: gains))
    }

    /// What weights are above the values that indices stand for.
    func errors(_ indices: [Int16]) -> [Float] {
      let values = trellisValues(indices, rows: rows, columns: columns)
      return values.indices.map { weights[$0] - Float(values[$0]) * (columnSteps[$0 % columns] * rowSteps[$0 / columns]) }
    }
  }

  @Test func groupsAreOfWholeLanes() {
    #expect(LaneGains.groups(rows: 1) == [0..<1])
    #expect(LaneGains.groups(rows: 1024) == [0..<1024])
    #expect(LaneGains.groups(rows: 1025) == [0..<512, 512..<1025])
    #expect(LaneGains.groups(rows: 1536) == [0..<768, 768..<1536])
    let large = LaneGains.groups(rows: 11008)
    #expect(large.map(\.count).reduce(0, +) == 11008 && large.allSatisfy { $0.count <= 1024 && $0.lowerBound % 64 == 0 })
  }

  /// In the last lane nothing is left to be done: the slope of the cost, H E, is zero where its errors are what the gains ask for. And
  /// the cost of a row is what is left of it once the rows after it have made up for it.
  @Test func theLastLaneMakesUpForTheOthers() throws {
    let rows = 150, moment = Self.moments(rows: rows)[0], gains = try #require(LaneGains([moment], rows: rows))
    #expect(abs(gains.costs[149] / Double(moment[149 * (rows + 1)]) - 1) < 1e-5)
    #expect((0..<149).allSatisfy { gains.costs[$0] < 0.99 * Double(moment[$0 * (rows + 1)]) })
    // A weight of one column that is zero in the last lane, where steps are fine: its value is what makes up for the errors before.
    let problem = Problem(rows, 1, feedback: 0), fine = Problem(rows, 1, feedback: 0)
    var weights = problem.weights
    for row in 128..<rows { weights[row] = 0 }
    var steps = problem.rowSteps
    for row in 128..<rows { steps[row] = 1e-3 }
    let none = [Float](repeating: 0, count: 4 * TrellisQuantizer.Costs.span)
    let flat = TrellisQuantizer.Costs(models: [0], shifts: [0], high: none)
    let quantizer = TrellisQuantizer(
      feedback: [0], columnSteps: fine.columnSteps, columnCodes: [128], costs: flat, trellis: .states32)
    let indices = try #require(
      quantizer.quantize(weights, rowSteps: steps, rowCodes: [UInt8](repeating: 128, count: rows), gains: gains))
    let values = trellisValues(indices, rows: rows, columns: 1)
    let errors = (0..<rows).map { Double(weights[$0]) - Double(values[$0]) * Double(steps[$0] * fine.columnSteps[0]) }
    #expect(errors[128...].contains { abs($0) > 0.1 })
    for row in 128..<rows {
      let slope = (0..<rows).reduce(0.0) { $0 + Double(moment[row * rows + $1]) * errors[$1] }
      #expect(abs(slope) < 0.1, "row \(row): \(slope)")
    }
  }

  /// An upper triangle [size, size] of eighths with ones on the diagonal, and its product with its transpose: all of it exact in floats.
  private static func exact(_ size: Int, withinLanes: Bool) -> (upper: [Float], moment: [Float]) {
    var upper = [Float](repeating: 0, count: size * size)
    for row in 0..<size {
      upper[row * size + row] = 1
      for column in row..<size where column > row && (withinLanes || column / 64 > row / 64) {
        upper[row * size + column] = Float((row * 7 + column * 3) % 5 - 2) / 8
      }
    }
    let moment = (0..<size * size).map { place in
      let (i, j) = (place / size, place % size)
      return (max(i, j)..<size).reduce(Float(0)) { $0 + upper[i * size + $1] * upper[j * size + $1] }
    }
    return (upper, moment)
  }

  @Test func gainsAreTheFactorBesideItsDiagonal() throws {
    let (upper, moment) = Self.exact(150, withinLanes: true), gains = try #require(LaneGains([moment], rows: 150))
    #expect(gains.costs == [Double](repeating: 1, count: 150))
    for row in 0..<150 {
      for before in 0..<150 {
        #expect(gains.gain(of: row, for: before) == (before < row ? upper[before * 150 + row] : 0), "\(row) for \(before)")
      }
    }
  }

  /// Lane after lane, with weights moved by the gains: the same as all diagonals at once, where rows gain for other lanes only.
  @Test func diagonalsAreLanesInOrder() throws {
    let problem = Problem(200, 150, feedback: 0)
    let gains = try #require(LaneGains([Self.exact(200, withinLanes: false).moment], rows: 200))
    let indices = try problem.quantize(gains), errors = problem.errors(indices)
    #expect(try problem.quantize(nil) != indices)
    for lane in 1..<4 {
      let rows = lane * 64..<min(200, lane * 64 + 64)
      var moved = Array(problem.weights[rows.lowerBound * 150..<rows.upperBound * 150])
      for (index, row) in rows.enumerated() {
        for column in 0..<150 {
          var shift: Float = 0
          for before in 0..<rows.lowerBound {
            shift.addProduct(errors[before * 150 + column], gains.gain(of: row, for: before))
          }
          moved[index * 150 + column] += shift
        }
      }
      let alone = try problem.quantize(nil, weights: moved, rows: rows)
      #expect(alone == Array(indices[rows.lowerBound * 150..<rows.upperBound * 150]), "lane \(lane)")
    }
  }

  @Test func momentsThatAreNonePositiveAreRefused() {
    #expect(LaneGains([[Float](repeating: 0, count: 100)], rows: 10) == nil)
    #expect(LaneGains([[1, 2, 2, 1]], rows: 2) == nil)
    #expect(LaneGains([[1, .nan, .nan, 1]], rows: 2) == nil)
  }

  @Test func threadsAndInstructionSetsDoNotChangeAnIndex() throws {
    let problem = Problem(1100, 130, feedback: 0.2), gains = try #require(LaneGains(Self.moments(rows: 1100), rows: 1100))
    defer { ThreadPool.configure(threads: ThreadPool.availableCores) }
    let expected = agreed("gains") { ((try? problem.quantize(gains)) ?? []).map(Float.init) }
    #expect(expected.count == 1100 * 130)
    for threads in [1, 2, 3] {
      ThreadPool.configure(threads: threads)
      #expect(try problem.quantize(gains).map(Float.init) == expected, "\(threads) threads")
    }
  }
}
