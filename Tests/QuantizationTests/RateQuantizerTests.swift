import Kernels
import Quantization
import Tensors
import TestSupport
import Testing

/// The quantizer of rate mode: error and bits on sources that are known, and whatever else a matrix may hold.
struct RateQuantizerTests {
  /// Σ e S eᵀ over the rows of the error.
  private func loss(_ values: [Float], _ weights: [Float], _ problem: CorrelatedInputs) -> Double {
    let size = problem.columns
    var sum = 0.0
    for row in stride(from: 0, to: values.count, by: size) {
      let errors = (0..<size).map { Double(values[row + $0]) - Double(weights[row + $0]) }
      for i in 0..<size {
        sum += errors[i] * (0..<size).reduce(0) { $0 + errors[$1] * Double(problem.moment[i * size + $1]) }
      }
    }
    return sum
  }

  @Test(arguments: [0.13, 0.17, 0.24]) func errorAndBitsOfCorrelatedInputs(step: Double) throws {
    let problem = CorrelatedInputs(columns: 96), rows = 256, weights = gaussians(rows * 96, seed: 3)
    let matrix = try problem.quantize(weights, rows: rows, step: step)
    let error = loss(try matrix.dequantized(), weights, problem) / Double(weights.count) / (step * step)
    #expect(error > 0.20 && error < 0.32, "\(error) squared steps")
    // A quantizer without a trellis, with the same feedback and spacing of columns, that makes the same error.
    let plain = problem.plainEntropy(weights, rows: rows, step: step * (12 * error).squareRoot())
    let plainError = loss(plain.values, weights, problem) / Double(weights.count) / (step * step)
    #expect(abs(plainError / error - 1) < 0.05)
    let bits = try RateHistogram(matrix).entropy / Double(weights.count)
    #expect(bits < plain.entropy - 0.1, "\(bits) and \(plain.entropy) bits")
  }

  /// Rule RATE-2, and the choice of steps: that of a column is inverse to what the later inputs leave of its deviation.
  @Test func weightsAreValuesTimesSteps() throws {
    let problem = CorrelatedInputs(columns: 40), rows = 70, weights = gaussians(rows * 40)
    let factors = (0..<rows).map { Double($0 % 5 + 1) / 3 }
    let outputs = RateQuantizer.Outputs(costs: factors.map { 1 / ($0 * $0) })
    let matrix = try RateQuantizer(.standard).quantize(
      weights, rows: rows, inputs: problem.inputs, step: 0.2 * outputs.factor, outputs: outputs)
    let values = try matrix.values(), steps = matrix.steps
    #expect(try matrix.dequantized() == values.enumerated().map { Float($1) * steps.rows[$0 / 40] * steps.columns[$0 % 40] })
    for (row, column) in [(0, 0), (1, 39), (2, 20), (69, 5)] {
      let step = Double(steps.rows[row]) * Double(steps.columns[column])
      let wanted = 0.2 / problem.inputs.deviations[column] * factors[row]
      #expect(step / wanted > 0.9 && step / wanted < 1.1, "\(step), not \(wanted)")
    }
    #expect(matrix.contexts == RateContexts(values: values, rows: rows, columns: 40))
    #expect(try RateEncoder.encode(matrix, tables: .standard).parameters.rows == rows)
  }

  /// Outputs whose gradients are alike, some larger than others: what errors cost together falls when steps go by what a row costs, and
  /// further when lanes make up for each other, at the same entropy.
  @Test func errorsOfRowsAreMadeUpFor() throws {
    let problem = CorrelatedInputs(columns: 64), rows = 256, weights = gaussians(rows * 64, seed: 12)
    let moment = (0..<rows * rows).map { place in
      let (i, j) = (place / rows, place % rows)
      return (i == j ? 1 : 0.9 / (1 + 0.02 * Float(abs(i - j)))) * Float(1 + i % 4) * Float(1 + j % 4) / 7.5
    }
    let gains = try #require(LaneGains([moment], rows: rows))
    let single = RateQuantizer.Outputs(costs: (0..<rows).map { Double(moment[$0 * (rows + 1)]) })
    let results = try [nil, single, RateQuantizer.Outputs(gains)].map { outputs in
      let matrix = try RateQuantizer(.standard).quantize(
        weights, rows: rows, inputs: problem.inputs, step: 0.17 * (outputs?.factor ?? 1), outputs: outputs)
      let errors = zip(try matrix.dequantized(), weights).map { Double($0 - $1) }
      var cost = 0.0
      for (i, j) in (0..<rows).flatMap({ i in (0..<rows).map { (i, $0) } }) {
        let product = problem.product(Array(errors[i * 64..<i * 64 + 64]), Array(errors[j * 64..<j * 64 + 64]))
        cost += Double(moment[i * rows + j]) * product
      }
      // At the same entropy: a bit a weight is worth a factor of 4.
      let bits = try RateHistogram(matrix).entropy / Double(weights.count)
      return BinaryLogarithm.approximate(cost) / 2 + bits
    }
    #expect(results[1] < results[0] - 0.05 && results[2] < results[1] - 0.2, "\(results)")
  }

  @Test func outliersAreKept() throws {
    let problem = CorrelatedInputs(columns: 48), rows = 100, step = 0.17
    var weights = gaussians(rows * 48, seed: 5)
    let places = [(3, 0), (64, 0), (10, 20), (99, 47)]
    for (row, column) in places { weights[row * 48 + column] *= 1000 }
    let matrix = try problem.quantize(weights, rows: rows, step: step), floats = try matrix.dequantized(), steps = matrix.steps
    for (row, column) in places {
      let at = row * 48 + column, unit = steps.rows[row] * steps.columns[column]
      // Nothing is fed back into the first column; into the others, a few steps are.
      #expect(abs(floats[at] - weights[at]) / unit < (column == 0 ? 2.001 : 5), "\(row), \(column)")
      #expect(abs(weights[at] / unit) > 100)
    }
    let error = loss(floats, weights, problem) / Double(weights.count) / (step * step)
    #expect(error > 0.20 && error < 0.40, "\(error) squared steps")
  }

  @Test func matricesOfAnyShape() throws {
    for (rows, columns) in [(1, 1), (1, 96), (300, 1), (65, 2), (63, 65)] {
      let problem = CorrelatedInputs(columns: columns), weights = gaussians(rows * columns, seed: 8)
      let matrix = try problem.quantize(weights, rows: rows, step: 0.1)
      let error = loss(try matrix.dequantized(), weights, problem) / Double(weights.count) / 0.01
      #expect(error < (weights.count < 10 ? 4.01 : 0.4), "\(rows) x \(columns): \(error)")
      let tensor = try stored(try RateEncoder.encode(matrix, tables: .standard), .standard)
      #expect(try tensor.readMatrix() == matrix)
    }
  }

  @Test func nothingIsZero() throws {
    let problem = CorrelatedInputs(columns: 30)
    let matrix = try problem.quantize([Float](repeating: 0, count: 70 * 30), rows: 70, step: 0.1)
    #expect(matrix.indices.allSatisfy { $0 == 0 })
    #expect(try matrix.dequantized().allSatisfy { $0 == 0 })
    var weights = gaussians(70 * 30)
    for row in 0..<70 { weights[row * 30 + 7] = 0 }
    for column in 0..<30 { weights[9 * 30 + column] = 0 }
    let part = try problem.quantize(weights, rows: 70, step: 0.1)
    #expect(try RateHistogram(part).entropy > 70 * 30)
    #expect(try part.dequantized()[(9 * 30)..<(10 * 30)].allSatisfy { $0 == 0 })
  }

  /// Where a third and more of the weights is zero, zeros stay what they are; else errors of others may be made up for in them.
  @Test func zerosOfSparseMatricesStayZeros() throws {
    let problem = CorrelatedInputs(columns: 96), dense = gaussians(150 * 96, seed: 6)
    let half = dense.enumerated().map { ($0 + $0 / 96) % 4 < 2 ? 0 : $1 }
    let floats = try problem.quantize(half, rows: 150, step: 0.17).dequantized()
    #expect(zip(floats, half).allSatisfy { $1 != 0 || $0 == 0 })
    let error = loss(floats, half, problem) / Double(half.count) / (0.17 * 0.17)
    #expect(error < 0.5, "\(error) squared steps")
    let few = dense.enumerated().map { ($0 + $0 / 96) % 4 == 0 ? 0 : $1 }
    let others = try problem.quantize(few, rows: 150, step: 0.17).dequantized()
    #expect(zip(others, few).contains { $1 == 0 && $0 != 0 })
  }

  /// Inputs of which some are a million times as large as others: every one adds the same error.
  @Test func deviationsOfAnySpread() throws {
    let columns = 50, rows = 128, step = 0.2
    let deviations = (0..<columns).map { BinaryLogarithm.power(Double($0 % 10) * 20 / 9 - 10) }
    let none = [Float](repeating: 0, count: columns * columns)
    let weights = gaussians(rows * columns).enumerated().map { Float(Double($1) / deviations[$0 % columns]) }
    let matrix = try RateQuantizer(.standard).quantize(
      weights, rows: rows, inputs: .init(deviations: deviations, feedback: none), step: step)
    let floats = try matrix.dequantized()
    for column in 0..<columns {
      let sum = (0..<rows).reduce(0.0) { sum, row in
        let error = Double(floats[row * columns + column] - weights[row * columns + column]) * deviations[column] / step
        return sum + error * error
      }
      #expect(sum / Double(rows) > 0.15 && sum / Double(rows) < 0.45, "column \(column): \(sum / Double(rows))")
    }
    // Beyond what step codes reach, something is still chosen.
    let wide = (0..<columns).map { $0 == 0 ? 1e-30 : $0 == 1 ? 1e12 : 1.0 }
    let indices = try RateQuantizer(.standard).quantize(
      [Float](repeating: 0, count: columns), rows: 1, inputs: .init(deviations: wide, feedback: none), step: step
    ).indices
    #expect(indices.allSatisfy { $0 == 0 })
  }

  /// Steps of columns grow until their largest weights fit; rule RATE-1: a weight is never cut to the largest value.
  @Test func weightsTooLargeForTheStepHaveCoarserStepsOrAreRefused() throws {
    let problem = CorrelatedInputs(columns: 20), weights = gaussians(70 * 20)
    for step in [1e-3, 1e-4, 1e-5, 1e-6] {
      let floats = try problem.quantize(weights, rows: 70, step: step).dequantized()
      #expect(zip(floats, weights).allSatisfy { abs($0 - $1) < 0.02 }, "\(step)")
    }
    for weight: Float in [1e6, -1e6] {
      var one = weights
      one[65 * 20 + 11] = weight
      let floats = try problem.quantize(one, rows: 70, step: 0.1).dequantized()
      #expect(abs(floats[65 * 20 + 11] / weight - 1) < 1e-3)
    }
    for step in [1e-12, 1e-30, 1e-44, 0] {
      #expect(rule { () throws(LMToolError) in _ = try problem.quantize(weights, rows: 70, step: step) } == "RATE-1", "\(step)")
    }
    for weight: Float in [1e25, .infinity, .nan] {
      var one = weights
      one[65 * 20 + 11] = weight
      #expect(rule { () throws(LMToolError) in _ = try problem.quantize(one, rows: 70, step: 0.1) } == "RATE-1", "\(weight)")
    }
  }

  /// With the contexts given, costs by the tables that code the indices make the sum of error and weighted bits smaller.
  @Test func costsOfTheTablesSaveBitsOrError() throws {
    let problem = CorrelatedInputs(columns: 64), rows = 640, step = 0.3, weights = gaussians(rows * 64).map { $0 * $0 * $0 }
    let first = try problem.quantize(weights, rows: rows, step: step)
    var counts = RateHistogram.standard(count: 64)  // for contexts that were never met
    try counts.add(first)
    let tables = RateTables([counts]), classes = 0..<RateContexts.classes
    let sums = try [RateTables.standard, tables].map { known in
      let costs = TrellisQuantizer.Costs(
        models: classes.map { UInt8(RateCosts.model(of: $0)) }, shifts: classes.map { UInt8(RateCosts.rawBits(of: $0)) },
        high: RateCosts(known).symbols.map { $0 * RateQuantizer.weightOfRate })
      let trellis = TrellisQuantizer(
        feedback: problem.inputs.feedback, columnSteps: first.steps.columns, columnCodes: first.contexts.columnCodes,
        costs: costs, trellis: first.trellis)
      let indices = trellis.quantize(weights, rowSteps: first.steps.rows, rowCodes: first.contexts.rowCodes)
      let matrix = RateMatrix(
        rows: rows, columns: 64, trellis: first.trellis, indices: try #require(indices), contexts: first.contexts,
        base: first.base, rowSteps: first.rowSteps, columnSteps: first.columnSteps)
      let error = loss(try matrix.dequantized(), weights, problem) / (step * step)
      return error + Double(RateQuantizer.weightOfRate) * tables.bits(try RateHistogram(matrix))
    }
    #expect(sums[1] < 0.99 * sums[0], "\(sums)")
  }

  /// Threads and instruction set belong to the process, so this has one of its own.
  @Test func threadsAndInstructionSetsDoNotChangeAnything() async {
    await #expect(processExitsWith: .success) {
      let problem = CorrelatedInputs(columns: 70), weights = gaussians(200 * 70, seed: 4)
      func matrix() throws -> RateMatrix {
        // The factor too is made anew.
        try CorrelatedInputs(columns: 70).quantize(weights, rows: 200, step: 0.2)
      }
      let expected = try problem.quantize(weights, rows: 200, step: 0.2)
      for set in InstructionSet.allCases where set.isAvailable {
        try #require(set.force())
        for threads in 1...2 {
          ThreadPool.configure(threads: threads)
          try #require(try matrix() == expected, "\(set), \(threads) threads")
        }
      }
    }
  }
}

/// Inputs each of which is 0.9 times the one before and something of its own.
struct CorrelatedInputs {
  let columns: Int
  let moment: [Float]
  let inputs: RateQuantizer.Inputs

  init(columns: Int) {
    self.columns = columns
    var powers: [Float] = [1]
    for _ in 0..<columns { powers.append(powers[powers.count - 1] * 0.9) }
    moment = (0..<columns * columns).map { powers[abs($0 / columns - $0 % columns)] }
    guard let factor = SymmetricFactor(moment, size: columns, damping: 0) else { fatalError("the moment is positive definite") }
    inputs = RateQuantizer.Inputs(factor)
  }

  /// a S bᵀ.
  func product(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for i in 0..<columns {
      sum += a[i] * (0..<columns).reduce(0.0) { $0 + b[$1] * Double(moment[i * columns + $1]) }
    }
    return sum
  }

  func quantize(_ weights: [Float], rows: Int, step: Double) throws(LMToolError) -> RateMatrix {
    try RateQuantizer(.standard).quantize(weights, rows: rows, inputs: inputs, step: step)
  }

  /// Rounds to the nearest multiples of step / deviation, with feedback: the result, and the entropy of the multiples, in bits each.
  func plainEntropy(_ weights: [Float], rows: Int, step: Double) -> (values: [Float], entropy: Double) {
    var values = weights, counts: [Int: Int] = [:]
    for row in 0..<rows {
      var errors: [Double] = []
      for column in 0..<columns {
        let weight = Double(weights[row * columns + column]), unit = step / inputs.deviations[column]
        let target = (0..<column).reduce(weight) { $0 + Double(inputs.feedback[column * columns + $1]) * errors[$1] }
        let multiple = (target / unit).rounded()
        counts[Int(multiple), default: 0] += 1
        errors.append(weight - multiple * unit)
        values[row * columns + column] = Float(multiple * unit)
      }
    }
    let total = Double(weights.count)
    return (values, counts.values.reduce(0.0) { $0 - Double($1) / total * BinaryLogarithm.approximate(Double($1) / total) })
  }
}
