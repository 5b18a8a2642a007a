import Kernels
import Tensors

/// Quantization that knows how the inputs of a matrix vary together: columns one after the other, the error of each made up for by those
/// that follow (GPTQ: Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ", ICLR 2023).
///
/// Scales and minimums are those of `ClipSearch`, found for the weights as they are, so that columns may come in any order. Deterministic
/// for any number of threads and any instruction set.
public struct ErrorFeedback: QuantizationScheme {
  /// The grid of the result.
  public let grid: GridScheme
  /// The grid's name.
  public var name: String { grid.name }
  private let kernel: FeedbackGridKernel

  /// Quantizes to `grid` matrices with the inputs of `feedback`.
  ///
  /// - Parameters:
  ///   - order: which column comes when.
  ///   - feedback: [columns, columns] in that order, as `SymmetricFactor.feedback` gives it.
  public init(_ grid: GridScheme, order: [Int], feedback: [Float]) {
    self.grid = grid
    kernel = FeedbackGridKernel(
      order: order, feedback: feedback, group: grid.group ?? order.count, bits: grid.bits, hasMinimum: grid.hasMinimum)
  }

  /// Quantizes some rows, in parallel; errors by rule Q-12.
  public func quantize(
    _ weights: UnsafeBufferPointer<Float>, rows: Range<Int>, columns: Int
  ) throws(LMToolError) -> GridTensor {
    try quantize(weights, to: try ClipSearch(grid).quantize(weights, rows: rows, columns: columns))
  }

  /// Chooses codes of finite weights for the scales and minimums of `given`.
  public func quantize(_ weights: UnsafeBufferPointer<Float>, to given: GridTensor) throws(LMToolError) -> GridTensor {
    let layout = given.layout, lane = Int(FeedbackGridKernel.lane)
    precondition(weights.count == layout.rows * layout.columns, "the weights do not fill the rows")
    var codes = given.codes
    codes.withUnsafeMutableBufferPointer { codes in
      given.scales.withUnsafeBufferPointer { scales in
        given.minimums.withUnsafeBufferPointer { minimums in
          nonisolated(unsafe) let codes = codes
          ThreadPool.shared.forEach((layout.rows + lane - 1) / lane) { index in
            let first = index * lane, groups = first * layout.groupsPerRow
            guard let weights = weights.baseAddress, let codes = codes.baseAddress, let scales = scales.baseAddress else {
              return
            }
            kernel.quantize(
              weights + first * layout.columns, rows: min(lane, layout.rows - first), codes: codes + first * layout.bytesPerRow,
              scales: scales + groups, minimums: layout.scheme.hasMinimum ? minimums.baseAddress.map { $0 + groups } : nil)
          }
        }
      }
    }
    return try GridTensor(
      shape: [layout.rows, layout.columns], scheme: grid, codes: codes, scales: given.scales, minimums: given.minimums)
  }
}
