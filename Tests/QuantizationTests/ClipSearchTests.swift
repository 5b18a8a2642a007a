import Kernels
import Quantization
import Tensors
import TestSupport
import Testing

struct ClipSearchTests {
  /// Relative root mean square errors on standard normal weights, 256 rows of 1536. Measured, rounded up in the third
  /// digit. llama.cpp's quantizers on the same weights (gguf-py 0.19, which gives ggml's bytes): Q4_0 0.0860,
  /// Q4_1 0.0782, Q8_0 0.00535.
  static let budgets: [(name: String, error: Double)] = [
    ("int4-g32", 0.0812), ("int4-g64", 0.0900), ("int4-g128", 0.0968), ("int4-row", 0.1070),
    ("int4-g32-min", 0.0692), ("int4-g64-min", 0.0813), ("int4-g128-min", 0.0911), ("int4-row-min", 0.1073),
    ("int8-g32", 0.00473), ("int8-g64", 0.00548), ("int8-g128", 0.00614), ("int8-row", 0.00801),
    ("int8-g32-min", 0.00397), ("int8-g64-min", 0.00480), ("int8-g128-min", 0.00554), ("int8-row-min", 0.00763),
  ]

  @Test(arguments: budgets) func errorOnNormalWeightsStaysWithinItsBudget(name: String, budget: Double) throws {
    let weights = gaussians(256 * 1536)
    let error = relativeError(weights, try quantize(weights, [256, 1536], name))
    #expect(error < budget)
    #expect(error > budget * 0.97, "the budget of \(name) can be lowered: \(error)")
  }

  @Test func everyGroupOfZerosIsZero() throws {
    for name in GridScheme.allNames {
      let grid = try quantize([Float](repeating: 0, count: 100), [2, 50], name)
      #expect(grid.dequantized() == [Float](repeating: 0, count: 100))
      #expect(grid.scales.allSatisfy { $0 & 0x7FFF == 0 })
    }
  }

  @Test(arguments: [0.1, -3.7, 1e-3, 60000, -65510, -1e-6] as [Float])
  func aConstantGroupComesBackWithinThePrecisionOfF16(constant: Float) throws {
    for name in GridScheme.allNames {
      for value in try quantize([Float](repeating: constant, count: 48), [1, 48], name).dequantized() {
        #expect(abs(value - constant) <= max(abs(constant) / 2048, 0x1p-25))
      }
    }
  }

  @Test func aConstantWithAMinimumIsExactToTheSecondF16() throws {
    let value = try quantize([Float](repeating: 0.1, count: 32), [1, 32], "int4-g32-min").dequantized()[0]
    #expect(abs(value - 0.1) < 1e-7)
  }

  @Test(arguments: GridScheme.allNames) func weightsBelowTheF16RangeBecomeZeroOrTheNearestStep(name: String) throws {
    for magnitude in [.leastNonzeroMagnitude, 1e-38, 1e-12, 1e-8, 3e-8, 2e-7] as [Float] {
      let weights = gaussians(64).map { $0 * magnitude }
      let back = try quantize(weights, [1, 64], name).dequantized()
      for (weight, value) in zip(weights, back) { #expect(abs(weight - value) <= max(0x1p-24, magnitude / 4)) }
    }
  }

  /// Rule Q-12.
  @Test func groupsBeyondTheF16RangeAreRefusedWithRowAndColumn() {
    for (name, limit) in [("int4-g32", 8 * 65520), ("int8-g32", 128 * 65520), ("int4-g32-min", 65520)] as [(String, Float)] {
      var weights = [Float](repeating: 1, count: 3 * 64)
      weights[64 + 40] = -limit * 0.99
      #expect(throws: Never.self) { try quantize(weights, [3, 64], name) }
      weights[64 + 40] = -limit
      #expect {
        try quantize(weights, [3, 64], name)
      } throws: { error in
        guard let error = error as? LMToolError else { return false }
        return error.rule == "Q-12" && error.code == .badInput && error.place == .tensor("test.weight")
          && error.message.contains("row 1 from column 32")
      }
    }
  }

  /// Rule Q-12.
  @Test(arguments: [Float.nan, .infinity, -.infinity, -.nan])
  func weightsThatAreNotFiniteAreRefusedWithRowAndColumn(poison: Float) {
    for name in GridScheme.allNames {
      var weights = gaussians(3 * 70)
      weights[2 * 70 + 69] = poison
      #expect {
        try quantize(weights, [3, 70], name)
      } throws: { error in
        (error as? LMToolError)?.rule == "Q-12" && (error as? LMToolError)?.message.contains("row 2, column 69") == true
      }
    }
  }

  @Test func aPieceOfAMatrixNamesRowsOfTheWhole() {
    let weights = [Float](repeating: .nan, count: 32)
    #expect {
      try weights.withUnsafeBufferPointer { try ClipSearch(scheme("int4-g32")).quantize($0, rows: 700..<701, columns: 32) }
    } throws: { ($0 as? LMToolError)?.message.contains("row 700, column 0") == true }
  }

  @Test func theBytesDoNotDependOnTheNumberOfThreads() throws {
    let weights = gaussians(40 * 1000, seed: 7)
    for name in ["int4-g32", "int4-g64-min", "int8-row"] {
      ThreadPool.configure(threads: 1)
      let one = try quantize(weights, [40, 1000], name)
      ThreadPool.configure(threads: 3)
      #expect(try quantize(weights, [40, 1000], name) == one)
      ThreadPool.configure(threads: ThreadPool.availableCores)
    }
  }

  @Test func theBytesDoNotDependOnTheInstructionSet() throws {
    let weights = gaussians(16 * 333, seed: 5)
    for name in GridScheme.allNames {
      var reference = try quantize(weights, [16, 333], name)
      try onEveryInstructionSet { (set) throws in
        let found = try quantize(weights, [16, 333], name)
        if set == .reference { reference = found }
        #expect(found == reference)
      }
    }
  }

  @Test func matricesLargerThanOnePieceAreTheSameAsTheirRows() throws {
    let columns = 3_000_000
    let row = gaussians(1000, seed: 3)
    let floats = (0..<(3 * columns)).map { row[$0 % 1000] * Float(1 + $0 / columns) }
    let grid = try quantize(floats, [3, columns], "int8-g128")
    for index in 0..<3 {
      let single = try quantize(Array(floats[(index * columns)..<((index + 1) * columns)]), [1, columns], "int8-g128")
      #expect(Array(grid.codes[(index * columns)..<((index + 1) * columns)]) == single.codes)
    }
  }
}
