import Kernels
import Tensors

/// Quantization that knows how the inputs of a matrix vary together: columns one after the other, the error of each made up for by those
/// that follow (GPTQ: Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ", ICLR 2023).
///
/// Deterministic for any number of threads and any instruction set.
public struct ErrorFeedback: QuantizationScheme {
  /// When the scales of a group are found.
  public enum Scales: String, Sendable, CaseIterable {
    /// Before anything is rounded, for the weights as they are, by `ClipSearch`. Columns may then come in any order.
    case first
    /// When the first column of the group comes, for what the errors before it have made of its weights.
    case onTheWay
  }

  /// The grid of the result.
  public let grid: GridScheme
  /// The grid's name.
  public var name: String { grid.name }
  private let kernel: FeedbackGridKernel
  private let scales: Scales

  /// Quantizes to `grid` matrices with the inputs of `feedback`.
  ///
  /// - Parameters:
  ///   - order: which column comes when; 0, 1, 2, ... for scales on the way.
  ///   - feedback: [columns, columns] in that order, as `SymmetricFactor.feedback` gives it.
  public init(_ grid: GridScheme, order: [Int], feedback: [Float], scales: Scales) {
    self.grid = grid
    self.scales = scales
    kernel = FeedbackGridKernel(
      order: order, feedback: feedback, group: grid.group ?? order.count, bits: grid.bits, hasMinimum: grid.hasMinimum,
      searches: scales == .onTheWay)
  }

  /// Quantizes some rows, in parallel; errors by rule Q-12.
  public func quantize(
    _ weights: UnsafeBufferPointer<Float>, rows: Range<Int>, columns: Int
  ) throws(LMToolError) -> GridTensor {
    switch scales {
    case .first:
      return try quantize(weights, rows, to: try ClipSearch(grid).quantize(weights, rows: rows, columns: columns))
    case .onTheWay:
      let layout = try GridLayout(shape: [rows.count, columns], scheme: grid)
      let empty = try GridTensor(
        shape: [rows.count, columns], scheme: grid, codes: [UInt8](repeating: 0, count: layout.codeBytes),
        scales: [UInt16](repeating: 0, count: layout.scaleCount), minimums: [UInt16](repeating: 0, count: layout.minimumCount))
      return try quantize(weights, rows, to: empty)
    }
  }

  /// Chooses codes for the scales of `given`.
  public func quantize(
    _ weights: UnsafeBufferPointer<Float>, _ rows: Range<Int>, to given: GridTensor
  ) throws(LMToolError) -> GridTensor {
    let layout = given.layout
    precondition(weights.count == layout.rows * layout.columns && rows.count == layout.rows, "the weights do not fill the rows")
    var codes = given.codes, scales = given.scales, minimums = given.minimums, failure: LMToolError?
    codes.withUnsafeMutableBufferPointer { codes in
      scales.withUnsafeMutableBufferPointer { scales in
        minimums.withUnsafeMutableBufferPointer { minimums in
          let target = LaneTarget(layout: layout, codes: codes, scales: scales, minimums: minimums)
          do throws(LMToolError) { try target.fill(from: weights, firstRow: rows.lowerBound, kernel) } catch { failure = error }
        }
      }
    }
    if let failure { throw failure }
    return try GridTensor(shape: given.shape, scheme: grid, codes: codes, scales: scales, minimums: minimums)
  }
}

/// Where the quantized lanes go; every task writes its own rows only.
private struct LaneTarget {
  let layout: GridLayout
  let codes: UnsafeMutableBufferPointer<UInt8>
  let scales: UnsafeMutableBufferPointer<UInt16>
  let minimums: UnsafeMutableBufferPointer<UInt16>

  func fill(from weights: UnsafeBufferPointer<Float>, firstRow: Int, _ kernel: FeedbackGridKernel) throws(LMToolError) {
    let lane = Int(FeedbackGridKernel.lane)
    try ThreadPool.shared.forEach((layout.rows + lane - 1) / lane) { (index) throws(LMToolError) in
      let first = index * lane, groups = first * layout.groupsPerRow
      guard let weights = weights.baseAddress, let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
      let (outcome, row) = kernel.quantize(
        weights + first * layout.columns, rows: min(lane, layout.rows - first), codes: codes + first * layout.bytesPerRow,
        scales: scales + groups, minimums: layout.scheme.hasMinimum ? minimums.baseAddress.map { $0 + groups } : nil)
      try outcome.check(row: firstRow + first + row)
    }
  }
}
