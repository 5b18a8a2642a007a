import Kernels
import Tensors

/// A rate matrix, entropy-coded: what an artifact stores.
public struct EncodedRateMatrix: Sendable, Equatable {
  /// Its numbers and codes.
  public let parameters: RateParameters
  /// The segments of all lanes, one after the other.
  public let lanes: [UInt8]

  /// [rows, columns].
  public var shape: [Int] { parameters.shape }

  /// Takes the parts of a matrix.
  ///
  /// - Throws: `badInput` when there are not as many bytes as the lengths of the lanes add up to (RATE-8).
  public init(parameters: RateParameters, lanes: [UInt8]) throws(LMToolError) {
    guard lanes.count == parameters.laneBytes else {
      throw LMToolError(
        .badInput, "the lanes have \(lanes.count) bytes where their lengths add up to \(parameters.laneBytes)", rule: "RATE-8")
    }
    self.parameters = parameters
    self.lanes = lanes
  }
}

/// Encodes rate matrices.
public enum RateEncoder {
  /// Encodes `matrix` with one set of `tables`, the best one unless given; lanes in parallel.
  ///
  /// - Throws: `badInput` when a value is above 32767 in magnitude (RATE-1), or weights would not be finite (RATE-2).
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
    let parameters = try RateParameters(
      base: matrix.base, largest: histogram.largest, set: set, trellis: matrix.trellis,
      lengths: segments.map { UInt32($0.count) }, rowSteps: matrix.rowSteps, columnSteps: matrix.columnSteps,
      contexts: matrix.contexts)
    return try EncodedRateMatrix(parameters: parameters, lanes: segments.flatMap { $0 })
  }
}
