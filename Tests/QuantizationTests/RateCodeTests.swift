import Kernels
import Quantization
import Tensors
import TestSupport
import Testing

/// The entropy code of rate matrices: `formats/rate.md`.
struct RateCodeTests {
  private func roundTrip(_ matrix: RateMatrix, _ tables: RateTables, _ comment: Comment) throws {
    let tensor = try stored(try RateEncoder.encode(matrix, tables: tables), tables)
    #expect(try tensor.readMatrix() == matrix, comment)
    var values = [Int16](repeating: 0, count: matrix.rows * matrix.columns)
    try tensor.readValues(lanes: 0..<matrix.lanes, into: &values)
    #expect(try values == matrix.values(), comment)
    #expect(tensor.largest == values.map { Int($0.magnitude) }.max(), comment)
  }

  /// Rules RATE-1 and RATE-6.
  @Test func matricesOfAnyShapeComeBack() throws {
    for (rows, columns) in [(1, 1), (63, 5), (64, 16), (65, 33), (130, 1), (1, 200), (577, 40)] {
      let matrix = try rateMatrix(rows, columns)
      try roundTrip(matrix, RateTables([try RateHistogram(matrix)]), "\(rows) x \(columns)")
      try roundTrip(matrix, .standard, "\(rows) x \(columns), standard tables")
    }
  }

  /// Rules RATE-1 and RATE-6.
  @Test(arguments: RateTrellis.allCases) func matricesOfAnyTrellisComeBack(trellis: RateTrellis) throws {
    for (rows, columns) in [(1, 1), (65, 33), (130, 7)] {
      try roundTrip(try rateMatrix(rows, columns, trellis: trellis), .standard, "\(rows) x \(columns), \(trellis)")
      try roundTrip(
        try rateMatrix(rows, columns, scale: 300, trellis: trellis), .standard, "large \(rows) x \(columns), \(trellis)")
    }
  }

  /// Rules RATE-4 and RATE-6.
  @Test func valuesOfAnySizeComeBackByAnyTable() throws {
    for outlier: Int16 in [32, -500, 16383, -16383] {
      let matrix = try rateMatrix(70, 20, outlier: outlier)
      try roundTrip(matrix, .standard, "outlier \(outlier)")
      try roundTrip(matrix, RateTables([RateHistogram()]), "outlier \(outlier), tables of nothing")
    }
    for scale: Float in [0.02, 30, 3000] {
      let matrix = try rateMatrix(100, 30, scale: scale)
      try roundTrip(matrix, RateTables([try RateHistogram(matrix)]), "scale \(scale)")
    }
    for code: UInt8 in [0, 48, 120, 255] {
      try roundTrip(plainRateMatrix(65, 3, [Int16](repeating: 0, count: 195), column: code), .standard, "zeros")
      try roundTrip(plainRateMatrix(65, 3, [Int16](repeating: -3, count: 195), column: code), .standard, "constants")
    }
  }

  /// Rule RATE-1.
  @Test(arguments: RateTrellis.allCases) func valuesFollowTheTrellis(trellis: RateTrellis) throws {
    let matrix = try rateMatrix(70, 9, scale: 4, trellis: trellis)
    let values = try matrix.values()
    for top in [0, 64] {
      var state = 0
      for column in 0..<9 {
        for row in top..<min(top + 64, 70) {
          let index = matrix.indices[row * 9 + column]
          #expect(values[row * 9 + column] == 2 * index - (state & 1 == 1 ? index.signum() : 0))
          state = nextTrellisState(state, index: Int(index), states: trellis.states)
        }
      }
    }
  }

  /// Rule RATE-1.
  @Test func valuesThatAreTooLargeAreRefused() throws {
    let matrix = plainRateMatrix(1, 1, [16384])
    #expect(rule { () throws(LMToolError) in _ = try matrix.values() } == "RATE-1")
    #expect(rule { () throws(LMToolError) in _ = try RateEncoder.encode(matrix, tables: .standard) } == "RATE-1")
    try roundTrip(plainRateMatrix(1, 1, [16383]), .standard, "the largest")
  }

  /// Rule RATE-2.
  @Test func weightsAreValuesTimesStepsInAnyPiece() throws {
    let matrix = try rateMatrix(130, 17)
    let tensor = try stored(try RateEncoder.encode(matrix, tables: .standard), .standard)
    let values = try matrix.values()
    let steps = matrix.steps
    let expected = values.enumerated().map { Float($1) * steps.rows[$0 / 17] * steps.columns[$0 % 17] }
    #expect(try tensor.readAll() == expected)
    for range in [0..<1, 5..<40, 64 * 17 - 1..<64 * 17 + 1, 1000..<2210] {
      var piece = [Float](repeating: .nan, count: range.count)
      try piece.withUnsafeMutableBufferPointer { (buffer) throws(LMToolError) in try tensor.read(range, into: buffer) }
      #expect(piece == Array(expected[range]))
    }
    #expect(RateSteps.factor(128) == 1 && RateSteps.factor(136) == 2 && RateSteps.factor(120) == 0.5)
    for code: UInt8 in 0...255 { #expect(RateSteps.code(nearest: RateSteps.factor(code)) == code) }
    #expect(
      rule { () throws(LMToolError) in
        _ = try RateParameters(
          base: 1e38, largest: 9, set: 0, trellis: .states32, lengths: [4], rowSteps: [128], columnSteps: [128],
          contexts: RateContexts(rowCodes: [0], columnCodes: [0]))
      } == "RATE-2")
  }

  @Test func partsOfTheLanesReadAlikeInBothWidths() throws {
    let matrix = try rateMatrix(300, 40)
    let tensor = try stored(try RateEncoder.encode(matrix, tables: .standard), .standard)
    let values = try matrix.values()
    for lanes in [0..<1, 4..<5, 1..<4, 2..<2, 0..<5] {
      let expected = Array(values[(lanes.lowerBound * 64 * 40)..<(min(lanes.upperBound * 64, 300) * 40)])
      var wide = [Int16](repeating: 99, count: expected.count)
      try tensor.readValues(lanes: lanes, into: &wide)
      #expect(wide == expected)
      var narrow = [Int8](repeating: 99, count: expected.count)
      try tensor.readValues(lanes: lanes, into: &narrow)
      #expect(narrow.map(Int16.init) == expected)
    }
  }

  /// The code comes within half a percent of the entropy by class, and its size is known before.
  @Test func theSizeIsCloseToTheEntropyAndForeseen() throws {
    let matrices = try [(576, 576), (192, 576), (576, 1536)].map { try rateMatrix($0.0, $0.1) }
    var sum = RateHistogram()
    for matrix in matrices { try sum.add(matrix) }
    let tables = RateTables([sum])
    var bytes = 0
    for matrix in matrices {
      let encoded = try RateEncoder.encode(matrix, tables: tables)
      let foreseen = tables.bytes(try RateHistogram(matrix))
      #expect(abs(foreseen - encoded.lanes.count) <= 2 * matrix.lanes, "\(foreseen), \(encoded.lanes.count)")
      bytes += encoded.lanes.count
    }
    #expect(Double(8 * bytes) < sum.entropy * 1.005 && Double(8 * bytes) > sum.entropy)
    #expect(tables.bits(sum) >= sum.entropy && tables.bits(sum) < RateTables.standard.bits(sum))
  }

  /// Costs of single indices add up to those of the histogram.
  @Test func costsOfIndicesAddUp() throws {
    let matrix = try rateMatrix(64, 50, scale: 40, outlier: 9000)
    let histogram = try RateHistogram(matrix)
    let tables = RateTables([histogram])
    let costs = RateCosts(tables)
    var state = 0
    var sum: Float = 0
    for column in 0..<50 {
      for row in 0..<64 {
        let index = matrix.indices[row * 50 + column]
        let place = RateContexts.classOf(row: matrix.contexts.rowCodes[row], column: matrix.contexts.columnCodes[column])
        sum += costs.bits(class: place, isOdd: state & 1 == 1, index: Int(index))
        state = nextTrellisState(state, index: Int(index), states: matrix.trellis.states)
      }
    }
    #expect(abs(Double(sum) / tables.bits(histogram) - 1) < 1e-4)
  }

  /// Rule RATE-3.
  @Test func contextsAreMeasured() {
    let contexts = RateContexts(rowMeans: [1, 2, 0, 1], columnMeans: [1, 0.5, 4, 0])
    #expect(contexts.rowCodes == [128, 136, 0, 128])
    #expect(contexts.columnCodes == [48, 40, 64, 0])
    #expect(RateContexts.classOf(row: 128, column: 48) == 24 && RateContexts.classOf(row: 136, column: 49) == 28)
    #expect(RateContexts.classOf(row: 0, column: 0) == 0 && RateContexts.classOf(row: 255, column: 255) == 87)
  }

  @Test func theBytesDoNotDependOnTheNumberOfThreads() throws {
    let matrix = try rateMatrix(400, 50)
    let first = try RateEncoder.encode(matrix, tables: .standard)
    ThreadPool.configure(threads: 1)
    let second = try RateEncoder.encode(matrix, tables: .standard)
    ThreadPool.configure(threads: ThreadPool.availableCores)
    #expect(first == second)
  }

  /// Rule RATE-6.
  @Test func everyFlippedBitAndEveryCutOfALaneIsRefusedOrSafe() throws {
    let matrix = try rateMatrix(65, 6)
    let encoded = try RateEncoder.encode(matrix, tables: .standard)
    var refused = 0
    for bit in 0..<(8 * encoded.lanes.count) {
      var lanes = encoded.lanes
      lanes[bit / 8] ^= 1 << UInt8(bit % 8)
      let tensor = try stored(try EncodedRateMatrix(parameters: encoded.parameters, lanes: lanes), .standard)
      switch rule({ () throws(LMToolError) in try tensor.verifyLanes() }) {
      case nil: #expect(try tensor.readAll() != stored(encoded, .standard).readAll())
      case let rule?:
        #expect(rule == "RATE-6")
        refused += 1
      }
    }
    #expect(refused > 8 * encoded.lanes.count * 9 / 10)
    for count in 1..<Int(encoded.parameters.lengths[1]) - 4 {
      let old = encoded.parameters
      let shorter = try RateParameters(
        base: old.base, largest: old.largest, set: 0, trellis: old.trellis,
        lengths: [old.lengths[0], old.lengths[1] - UInt32(count)],
        rowSteps: old.rowSteps, columnSteps: old.columnSteps, contexts: old.contexts)
      let cut = try EncodedRateMatrix(parameters: shorter, lanes: encoded.lanes.dropLast(count))
      #expect(rule { () throws(LMToolError) in try stored(cut, .standard).verifyLanes() } == "RATE-6")
    }
  }

  /// Rule RATE-6.
  @Test func aValueAboveTheLargestIsRefused() throws {
    let encoded = try RateEncoder.encode(try rateMatrix(65, 6), tables: .standard)
    let old = encoded.parameters
    let wrong = try RateParameters(
      base: old.base, largest: old.largest - 1, set: 0, trellis: old.trellis, lengths: old.lengths, rowSteps: old.rowSteps,
      columnSteps: old.columnSteps, contexts: old.contexts)
    let tensor = try stored(try EncodedRateMatrix(parameters: wrong, lanes: encoded.lanes), .standard)
    #expect(rule { () throws(LMToolError) in try tensor.verifyLanes() } == "RATE-6")
  }
}
