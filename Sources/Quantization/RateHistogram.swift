import Kernels
import Tensors

/// How often each symbol of each context occurs in rate matrices, and the bits that are sent as they are.
///
/// Histograms of the parts of a model add up to that of the whole, so tables can be made, and packed sizes known, before
/// anything is encoded.
public struct RateHistogram: Sendable, Equatable {
  /// Occurrences, [2 * models][cells]: symbol s in cell s, high parts out of reach in cell symbols + length.
  public private(set) var counts = [UInt64](repeating: 0, count: RateKernel.lengths * RateKernel.cells)
  /// Bits that are sent as they are.
  public private(set) var rawBits: UInt64 = 0
  /// Lanes that were counted.
  public private(set) var lanes = 0
  /// The largest magnitude of a value.
  public private(set) var largest = 0

  /// An empty histogram.
  public init() {}

  /// The histogram of one matrix.
  ///
  /// - Throws: `badInput` when a value is above 32767 in magnitude (RATE-1).
  public init(_ matrix: RateMatrix) throws(LMToolError) { try add(matrix) }

  /// Symbols that were counted.
  public var symbols: Int { Int(counts.reduce(0, +)) }

  /// The empirical entropy of the symbols by their contexts, in bits: what no code with these contexts falls below. High parts out
  /// of reach count as likely as the others of their length.
  public var entropy: Double {
    var sum = Int(rawBits) << 16
    for start in stride(from: 0, to: counts.count, by: RateKernel.cells) {
      let cells = counts[start..<(start + RateKernel.cells)]
      let total = Int(cells.reduce(0, +))
      guard total > 0 else { continue }
      sum += total * BinaryLogarithm.fixed(total)
      for (cell, count) in cells.enumerated() where count > 0 {
        let length = max(0, cell - RateKernel.symbols)
        sum += Int(count) * (length << 16 - BinaryLogarithm.fixed(Int(count)))
      }
    }
    return Double(sum) / 65536
  }

  /// Adds the symbols of a matrix.
  ///
  /// - Throws: `badInput` when a value is above 32767 in magnitude (RATE-1).
  public mutating func add(_ matrix: RateMatrix) throws(LMToolError) {
    guard let found = matrix.kernel.count(matrix.indices, lanes: 0..<matrix.lanes, into: &counts, raw: &rawBits) else {
      throw RateMatrix.tooLarge
    }
    lanes += matrix.lanes
    largest = max(largest, found)
  }

  /// Adds what another histogram counted.
  public mutating func add(_ other: RateHistogram) {
    for index in counts.indices { counts[index] += other.counts[index] }
    rawBits += other.rawBits
    lanes += other.lanes
    largest = max(largest, other.largest)
  }

  /// Adds `count` occurrences of a symbol of a context, for tables that no matrix stands behind.
  mutating func add(_ count: Int, context: Int, symbol: Int) {
    counts[context * RateKernel.cells + symbol] += UInt64(count)
  }
}
