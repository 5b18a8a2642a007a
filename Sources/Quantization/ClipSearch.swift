import Kernels
import Tensors

/// Quantization without data: for each group the scale, and minimum, with the least squared error of its weights.
///
/// The search clips outliers where that pays, as llama.cpp's `make_qx_quants` does, tries both signs of the scale since
/// -8 has no partner +8, and refits by least squares; see `grid_quantize.c`. Deterministic for any number of threads.
public struct ClipSearch: QuantizationScheme {
  /// The grid of the result.
  public let grid: GridScheme
  /// The grid's name.
  public var name: String { grid.name }

  /// Quantizes to `grid`.
  public init(_ grid: GridScheme) { self.grid = grid }

  /// Quantizes some rows, in parallel; errors by rule Q-12.
  public func quantize(
    _ weights: UnsafeBufferPointer<Float>, rows: Range<Int>, columns: Int
  ) throws(LMToolError) -> GridTensor {
    let layout = try GridLayout(shape: [rows.count, columns], scheme: grid)
    precondition(weights.count == rows.count * columns, "the weights do not fill the rows")
    var codes = [UInt8](repeating: 0, count: layout.codeBytes)
    var scales = [UInt16](repeating: 0, count: layout.scaleCount)
    var minimums = [UInt16](repeating: 0, count: layout.minimumCount)
    var failure: LMToolError?
    codes.withUnsafeMutableBufferPointer { codes in
      scales.withUnsafeMutableBufferPointer { scales in
        minimums.withUnsafeMutableBufferPointer { minimums in
          let target = Target(layout: layout, firstRow: rows.lowerBound, codes: codes, scales: scales, minimums: minimums)
          do throws(LMToolError) { try target.fill(from: weights) } catch { failure = error }
        }
      }
    }
    if let failure { throw failure }
    return try GridTensor(shape: [rows.count, columns], scheme: grid, codes: codes, scales: scales, minimums: minimums)
  }
}

/// Where the quantized rows go; every task writes its own rows only.
private struct Target {
  let layout: GridLayout
  let firstRow: Int
  let codes: UnsafeMutableBufferPointer<UInt8>
  let scales: UnsafeMutableBufferPointer<UInt16>
  let minimums: UnsafeMutableBufferPointer<UInt16>

  /// Weights of one task: enough to be worth handing out, few enough to share a small matrix among cores.
  private static let share = 16384

  func fill(from weights: UnsafeBufferPointer<Float>) throws(LMToolError) {
    let step = max(1, Self.share / layout.columns)
    let tasks = (layout.rows + step - 1) / step
    try ThreadPool.shared.forEach(tasks) { (task) throws(LMToolError) in
      try fill(rows: (task * step)..<min((task + 1) * step, layout.rows), from: weights)
    }
  }

  private func fill(rows: Range<Int>, from weights: UnsafeBufferPointer<Float>) throws(LMToolError) {
    let kernel = GridKernel(
      columns: layout.columns, group: layout.group, bits: layout.scheme.bits, hasMinimum: layout.scheme.hasMinimum)
    let work = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: layout.columns)
    defer { work.deallocate() }
    guard let weights = weights.baseAddress, let codes = codes.baseAddress, let scales = scales.baseAddress,
      let work = work.baseAddress
    else { return }
    for row in rows {
      let outcome = kernel.quantize(
        weights + row * layout.columns, codes: codes + row * layout.bytesPerRow, scales: scales + row * layout.groupsPerRow,
        minimums: layout.scheme.hasMinimum ? minimums.baseAddress.map { $0 + row * layout.groupsPerRow } : nil, work: work)
      try check(outcome, row: firstRow + row)
    }
  }

  private func check(_ outcome: GridKernel.Outcome, row: Int) throws(LMToolError) {
    switch outcome {
    case .done: return
    case .notFinite(let column):
      throw LMToolError(
        .badInput,
        "the weight at row \(row), column \(column) is NaN or infinite; repair the checkpoint, or keep the tensor in f16",
        rule: "Q-12")
    case .tooLarge(let column):
      throw LMToolError(
        .badInput,
        "the weights at row \(row) from column \(column) on are too large for an f16 scale; the model cannot be quantized as it is",
        rule: "Q-12")
    }
  }
}
