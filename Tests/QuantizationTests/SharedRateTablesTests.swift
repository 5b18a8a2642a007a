import Kernels
import Quantization
import Tensors
import TestSupport
import Testing

/// Which matrices share a table set: by bytes, as the writer of `formats/rate.md` does.
struct SharedRateTablesTests {
  /// Weights [rows, columns] of which two of four, or three of four, are zero, others in each row; those that are left are larger, so that
  /// contexts, which tell how large values are on average, do not tell the matrix from a dense one.
  private func sparse(_ rows: Int, _ columns: Int, of four: Int, seed: UInt64) -> [Float] {
    gaussians(rows * columns, seed: seed).enumerated().map {
      ($0 / 4 + $0 + $0 / columns) % 4 < four ? 0 : $1 * 4 / Float(4 - four)
    }
  }

  private func histograms(_ weights: [[Float]], step: Double = 0.25) throws -> [RateHistogram] {
    try weights.map { try RateHistogram(try CorrelatedInputs(columns: 96).quantize($0, rows: $0.count / 96, step: step)) }
  }

  private func pooled(_ histograms: [RateHistogram]) -> RateTables {
    var total = RateHistogram()
    for histogram in histograms { total.add(histogram) }
    return RateTables([total])
  }

  @Test func denseMatricesShareOneSet() throws {
    let dense = try histograms((0..<6).map { gaussians(192 * 96, seed: 3 + $0) })
    let shared = SharedRateTables(dense)
    #expect(shared.tables == pooled(dense))
    #expect(abs(shared.bytes - dense.reduce(0) { $0 + shared.tables.bytes($1) }) <= dense.count)
    #expect(SharedRateTables([]).tables.sets.count == 1 && SharedRateTables([]).bytes == 0)
    #expect(SharedRateTables([RateHistogram()]).tables.sets.count == 1)
  }

  /// A sparse matrix among dense ones comes within a twentieth of the entropy of its own symbols, and all get smaller.
  @Test(arguments: [2, 3]) func aSparseMatrixHasASetOfItsOwn(zeros: Int) throws {
    var weights = (0..<6).map { gaussians(192 * 96, seed: 3 + $0) }
    weights.insert(sparse(192, 96, of: zeros, seed: 9), at: 2)
    let all = try histograms(weights), shared = SharedRateTables(all), tables = shared.tables, one = pooled(all)
    #expect(tables.sets.count == 2)
    let places = all.map { tables.best(for: $0) }
    #expect(places == [0, 0, 1, 0, 0, 0, 0])
    #expect(one.bits(all[2]) > 1.1 * all[2].entropy)
    for (histogram, set) in zip(all, places) {
      #expect(tables.bits(histogram, set: set) < 1.05 * histogram.entropy)
      #expect(tables.bits(histogram, set: set) < one.bits(histogram))
    }
    #expect(shared.bytes < all.reduce(0) { $0 + one.bytes($1) })
    #expect(SharedRateTables(all.reversed()).tables == tables)
  }

  @Test func whatIsTooSmallForASetHasNone() throws {
    let dense = try histograms((0..<6).map { gaussians(192 * 96, seed: 3 + $0) })
    let small = try histograms([sparse(4, 96, of: 2, seed: 5)])
    #expect(SharedRateTables(dense + small).tables.sets.count == 1)
  }

  /// Values that are all too large for a symbol of their own, as where a matrix has a single outlier in a context: the tables can be
  /// written and read (RATE-7), and code what they were made of.
  @Test func contextsWithNothingButEscapes() throws {
    let matrix = plainRateMatrix(2, 3, [900, -800, 700, 1000, -900, 850]), histogram = try RateHistogram(matrix)
    let tables = SharedRateTables([histogram]).tables
    let information = try RateSideInformation(tables: tables, matrices: [])
    #expect(try RateSideInformation(encoded: information.encoded(), shapes: []) == information)
    #expect(try stored(try RateEncoder.encode(matrix, tables: tables), tables).readMatrix() == matrix)
  }

  /// More than one, never more than there may be (RATE-7), and fewer bytes than with one.
  @Test func manyKindsOfMatrices() throws {
    let kinds = (0..<24).map { kind in
      kind % 4 < 2 ? gaussians(192 * 96, seed: UInt64(kind)) : sparse(192, 96, of: kind % 4, seed: UInt64(kind))
    }
    let all = try histograms(kinds), shared = SharedRateTables(all), one = pooled(all)
    #expect((2...RateTables.maximumSets).contains(shared.tables.sets.count))
    #expect(shared.bytes < all.reduce(0) { $0 + one.bytes($1) })
    let information = try RateSideInformation(tables: shared.tables, matrices: [])
    #expect(try RateSideInformation(encoded: information.encoded(), shapes: []) == information)
  }
}
