import CKernels
import Synchronization

/// Quantizes the rows of a matrix to integers along a trellis, with the errors of columns fed back into later ones (`rate_quantize.h`).
public struct TrellisQuantizer: Sendable {
  /// Rows that share a path of the trellis.
  public static let lane = LMK_LANE

  /// What indices cost: by their class, the low bits that all cost the same, and by the model of the class the high parts.
  public struct Costs: Sendable {
    /// High parts with a cost are -span..<span; those beyond cost as much as the last.
    public static let span = LMK_RATE_SPAN
    /// The model of each class.
    public let models: [UInt8]
    /// The low bits of each class.
    public let shifts: [UInt8]
    /// [models, 2, 2 · span], in squared steps, for even states and odd ones.
    public let high: [Float]

    /// Costs of so many classes.
    public init(models: [UInt8], shifts: [UInt8], high: [Float]) {
      precondition(!models.isEmpty && models.count == shifts.count, "a class has a model and a shift")
      precondition(models.allSatisfy { (Int($0) + 1) * 4 * Self.span <= high.count }, "a model has its costs")
      self.models = models
      self.shifts = shifts
      self.high = high
    }
  }

  /// [columns, columns], as `SymmetricFactor.feedback` gives it.
  public let feedback: [Float]
  /// The step of each column.
  public let columnSteps: [Float]
  /// The context code of each column.
  public let columnCodes: [UInt8]
  /// What indices cost.
  public let costs: Costs
  /// Whether weights that are zero stay zero, whatever is fed back to them.
  public let keepsZeros: Bool

  /// A quantizer for matrices with as many columns as there are steps.
  public init(feedback: [Float], columnSteps: [Float], columnCodes: [UInt8], costs: Costs, keepsZeros: Bool = false) {
    precondition(feedback.count == columnSteps.count * columnSteps.count && columnCodes.count == columnSteps.count)
    self.feedback = feedback
    self.columnSteps = columnSteps
    self.columnCodes = columnCodes
    self.costs = costs
    self.keepsZeros = keepsZeros
  }

  /// The indices [rows, columns] of `weights` [rows, columns]; each row has a factor on all its steps and a context code.
  ///
  /// - Returns: nil when a weight, or what feedback makes of it, is so many steps large that its index does not fit, or no number.
  public func quantize(_ weights: UnsafePointer<Float>, rowSteps: [Float], rowCodes: [UInt8]) -> [Int16]? {
    let rows = rowSteps.count, columns = columnSteps.count
    precondition(rowCodes.count == rows, "a code for each row")
    var fits = false
    let indices = [Int16](unsafeUninitializedCapacity: rows * columns) { indices, count in
      fits = quantize(weights, rowSteps, rowCodes, indices.baseAddress!)
      count = fits ? rows * columns : 0
    }
    return fits ? indices : nil
  }

  private func quantize(
    _ weights: UnsafePointer<Float>, _ rowSteps: [Float], _ rowCodes: [UInt8], _ indices: UnsafeMutablePointer<Int16>
  ) -> Bool {
    let rows = rowSteps.count, columns = columnSteps.count, fits = Atomic(true)
    nonisolated(unsafe) let weights = weights, indices = indices
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
              row_codes: codes.baseAddress! + first, indices: indices + at)
            if lmk_rate_quantize(plan, &work, scratch.assumingMemoryBound(to: Float.self)) == 0 {
              fits.store(false, ordering: .relaxed)
            }
          }
        }
      }
    }
    return fits.load(ordering: .relaxed)
  }

  private func withPlan(_ body: (UnsafePointer<lmk_rate_plan>) -> Void) {
    feedback.withUnsafeBufferPointer { feedback in
      columnSteps.withUnsafeBufferPointer { steps in
        columnCodes.withUnsafeBufferPointer { codes in
          withTables(costs) { models, shifts, high in
            var plan = lmk_rate_plan(
              columns: steps.count, feedback: feedback.baseAddress!, steps: steps.baseAddress!, column_codes: codes.baseAddress!,
              classes: costs.models.count, models: models, shifts: shifts, costs: high,
              keeps_zeros: keepsZeros ? 1 : 0)
            body(&plan)
          }
        }
      }
    }
  }

  private func withTables(
    _ costs: Costs, _ body: (UnsafePointer<UInt8>, UnsafePointer<UInt8>, UnsafePointer<Float>) -> Void
  ) {
    costs.models.withUnsafeBufferPointer { models in
      costs.shifts.withUnsafeBufferPointer { shifts in
        costs.high.withUnsafeBufferPointer { body(models.baseAddress!, shifts.baseAddress!, $0.baseAddress!) }
      }
    }
  }
}
