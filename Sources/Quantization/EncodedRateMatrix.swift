import Kernels
import Tensors

/// A rate matrix, entropy-coded: what an artifact stores.
public struct EncodedRateMatrix: Sendable, Equatable {
  /// Rows: outputs.
  public let rows: Int
  /// Columns: inputs.
  public let columns: Int
  /// The segments of all lanes, one after the other.
  public let lanes: [UInt8]
  /// Bytes of each lane.
  public let lengths: [UInt32]
  /// What the symbols are modelled by.
  public let contexts: RateContexts
  /// The step of rows and columns whose codes are `RateSteps.one`.
  public let base: Float
  /// The step of each row, in eighths of an octave.
  public let rowSteps: [UInt8]
  /// The step of each column, in eighths of an octave.
  public let columnSteps: [UInt8]
  /// The largest magnitude of a value.
  public let largest: Int
  /// The table set that the lanes were coded with.
  public let set: Int

  /// [rows, columns].
  public var shape: [Int] { [rows, columns] }

  /// Takes the parts of a matrix, which `StoredRateTensor` checks.
  public init(
    rows: Int, columns: Int, lanes: [UInt8], lengths: [UInt32], contexts: RateContexts, base: Float, rowSteps: [UInt8],
    columnSteps: [UInt8], largest: Int, set: Int
  ) {
    self.rows = rows
    self.columns = columns
    self.lanes = lanes
    self.lengths = lengths
    self.contexts = contexts
    self.base = base
    self.rowSteps = rowSteps
    self.columnSteps = columnSteps
    self.largest = largest
    self.set = set
  }
}

/// Encodes rate matrices.
public enum RateEncoder {
  /// Encodes `matrix` with one set of `tables`, the best one unless given; lanes in parallel.
  ///
  /// - Throws: `badInput` when a value is above 32767 in magnitude (RATE-1).
  public static func encode(_ matrix: RateMatrix, tables: RateTables, set: Int? = nil) throws(LMToolError) -> EncodedRateMatrix {
    let histogram = try RateHistogram(matrix)
    let set = set ?? tables.best(for: histogram)
    let frequencies = tables.sets[set]
    let kernel = matrix.kernel
    var segments = [[UInt8]](repeating: [], count: kernel.lanes)
    segments.withUnsafeMutableBufferPointer { segments in
      ThreadPool.shared.forEach(kernel.lanes) { (lane: Int) -> Void in
        segments[lane] = kernel.encode(matrix.indices, lane: lane, frequencies: frequencies) ?? []
      }
    }
    return EncodedRateMatrix(
      rows: matrix.rows, columns: matrix.columns, lanes: segments.flatMap { $0 }, lengths: segments.map { UInt32($0.count) },
      contexts: matrix.contexts, base: matrix.base, rowSteps: matrix.rowSteps, columnSteps: matrix.columnSteps,
      largest: histogram.largest, set: set)
  }
}
