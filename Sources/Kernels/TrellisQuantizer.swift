import CKernels

/// Quantizes the rows of a matrix to integers along a trellis, with the errors of columns fed back into later ones (`rate_quantize.h`).
public struct TrellisQuantizer: Sendable {
  /// Rows that share a path of the trellis.
  public static let lane = LMK_LANE
  /// Costs are given for indices of -span...span; those beyond cost as much as the last.
  public static let span = LMK_RATE_SPAN

  /// [columns, columns], as `SymmetricFactor.feedback` gives it.
  public var feedback: [Float]
  /// The step of each column.
  public var columnSteps: [Float]
  /// The context code of each column.
  public var columnCodes: [UInt8]
  /// [classes, 2, 2 · span + 1]: what an index costs, in squared steps, for even states and odd ones.
  public var costs: [Float]

  /// A quantizer for matrices with as many columns as there are steps.
  public init(feedback: [Float], columnSteps: [Float], columnCodes: [UInt8], costs: [Float]) {
    precondition(feedback.count == columnSteps.count * columnSteps.count && columnCodes.count == columnSteps.count)
    precondition(!costs.isEmpty && costs.count % (2 * (2 * Self.span + 1)) == 0)
    self.feedback = feedback
    self.columnSteps = columnSteps
    self.columnCodes = columnCodes
    self.costs = costs
  }

  /// The indices and values [rows, columns] of `weights` [rows, columns]; each row has a factor on all its steps and a context code.
  public func quantize(
    _ weights: UnsafePointer<Float>, rowSteps: [Float], rowCodes: [UInt8]
  ) -> (indices: [Int16], values: [Int16]) {
    let rows = rowSteps.count, columns = columnSteps.count
    precondition(rowCodes.count == rows)
    var values: [Int16] = []
    let indices = [Int16](unsafeUninitializedCapacity: rows * columns) { indices, count in
      values = [Int16](unsafeUninitializedCapacity: rows * columns) { values, count in
        quantize(weights, rowSteps, rowCodes, indices.baseAddress!, values.baseAddress!)
        count = rows * columns
      }
      count = rows * columns
    }
    return (indices, values)
  }

  private func quantize(
    _ weights: UnsafePointer<Float>, _ rowSteps: [Float], _ rowCodes: [UInt8], _ indices: UnsafeMutablePointer<Int16>,
    _ values: UnsafeMutablePointer<Int16>
  ) {
    let rows = rowSteps.count, columns = columnSteps.count
    nonisolated(unsafe) let weights = weights, indices = indices, values = values
    withPlan { plan in
      nonisolated(unsafe) let plan = plan
      ThreadPool.shared.forEach((rows + Self.lane - 1) / Self.lane) { lane in
        let first = lane * Self.lane, at = first * columns
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: 4 * lmk_rate_scratch(columns), alignment: 64)
        defer { scratch.deallocate() }
        rowSteps.withUnsafeBufferPointer { steps in
          rowCodes.withUnsafeBufferPointer { codes in
            var work = lmk_rate_lane(
              rows: min(Self.lane, rows - first), weights: weights + at, steps: steps.baseAddress! + first,
              row_codes: codes.baseAddress! + first, indices: indices + at, values: values + at)
            lmk_rate_quantize(plan, &work, scratch.assumingMemoryBound(to: Float.self))
          }
        }
      }
    }
  }

  private func withPlan(_ body: (UnsafePointer<lmk_rate_plan>) -> Void) {
    feedback.withUnsafeBufferPointer { feedback in
      columnSteps.withUnsafeBufferPointer { steps in
        columnCodes.withUnsafeBufferPointer { codes in
          costs.withUnsafeBufferPointer { costs in
            var plan = lmk_rate_plan(
              columns: steps.count, feedback: feedback.baseAddress!, steps: steps.baseAddress!, column_codes: codes.baseAddress!,
              classes: costs.count / (2 * (2 * Self.span + 1)), costs: costs.baseAddress!)
            body(&plan)
          }
        }
      }
    }
  }
}
