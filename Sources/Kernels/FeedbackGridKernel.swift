import CKernels

/// Quantizes rows to a grid column by column, with the errors of columns fed back into later ones (`grid_feedback.h`).
public struct FeedbackGridKernel: Sendable {
  /// Rows that are quantized together.
  public static let lane = LMK_GRID_LANE

  private let grid: lmk_grid
  private let order: [UInt32]
  private let feedback: [Float]

  /// A kernel for rows of as many inputs as `order` names, in groups of `group`, with codes of 4 or 8 bits.
  ///
  /// - Parameters:
  ///   - order: which column comes when.
  ///   - feedback: [columns, columns] in that order, as `SymmetricFactor.feedback` gives it.
  public init(order: [Int], feedback: [Float], group: Int, bits: Int, hasMinimum: Bool) {
    let columns = order.count
    precondition(order.sorted() == Array(0..<columns) && feedback.count == columns * columns, "an order of all columns")
    grid = lmk_grid(columns: columns, group: group, bits: Int32(bits), minimum: hasMinimum ? 1 : 0)
    self.order = order.map(UInt32.init)
    self.feedback = feedback
  }

  /// Quantizes up to `lane` rows.
  ///
  /// - Parameters:
  ///   - weights: finite, [rows, columns].
  ///   - codes: gets (columns * bits + 7) / 8 bytes for each row.
  ///   - scales: one f16 for each row and group; so are `minimums` where the grid has them.
  public func quantize(
    _ weights: UnsafePointer<Float>, rows: Int, codes: UnsafeMutablePointer<UInt8>, scales: UnsafePointer<UInt16>,
    minimums: UnsafePointer<UInt16>?
  ) {
    precondition(rows <= Self.lane, "more rows than a lane has")
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: lmk_grid_feedback_scratch(order.count), alignment: 64)
    defer { scratch.deallocate() }
    order.withUnsafeBufferPointer { order in
      feedback.withUnsafeBufferPointer { feedback in
        var plan = lmk_grid_feedback_plan(grid: grid, order: order.baseAddress!, feedback: feedback.baseAddress!)
        var lane = lmk_grid_lane(rows: rows, weights: weights, codes: codes, scales: scales, minimums: minimums)
        lmk_grid_quantize_lane(&plan, &lane, scratch)
      }
    }
  }
}
