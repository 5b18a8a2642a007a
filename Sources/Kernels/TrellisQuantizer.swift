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
  /// Which values follow each other.
  public let trellis: RateTrellis
  /// Whether weights that are zero stay zero, whatever is fed back to them.
  public let keepsZeros: Bool

  /// A quantizer for matrices with as many columns as there are steps.
  public init(
    feedback: [Float], columnSteps: [Float], columnCodes: [UInt8], costs: Costs, trellis: RateTrellis, keepsZeros: Bool = false
  ) {
    precondition(feedback.count == columnSteps.count * columnSteps.count && columnCodes.count == columnSteps.count)
    self.feedback = feedback
    self.columnSteps = columnSteps
    self.columnCodes = columnCodes
    self.costs = costs
    self.trellis = trellis
    self.keepsZeros = keepsZeros
  }

  /// The indices [rows, columns] of `weights` [rows, columns]; each row has a factor on all its steps and a context code.
  ///
  /// - Parameter gains: where lanes make up for the errors of others before them.
  /// - Returns: nil when a weight, or what feedback makes of it, is so many steps large that its index does not fit, or no number.
  public func quantize(
    _ weights: UnsafePointer<Float>, rowSteps: [Float], rowCodes: [UInt8], gains: LaneGains? = nil
  ) -> [Int16]? {
    let rows = rowSteps.count, columns = columnSteps.count
    precondition(rowCodes.count == rows, "a code for each row")
    precondition(gains.map { $0.rows == rows } ?? true, "gains of as many rows")
    var fits = false
    let indices = [Int16](unsafeUninitializedCapacity: rows * columns) { indices, count in
      let lanes = Lanes(weights, rowSteps, rowCodes, gains, indices.baseAddress!, columns: columns)
      fits = gains.map { quantize(lanes, $0) } ?? quantize(lanes)
      count = fits ? rows * columns : 0
    }
    return fits ? indices : nil
  }

  /// The lanes of a matrix.
  private struct Lanes {
    let rows: Int
    private let columns: Int
    private nonisolated(unsafe) let weights: UnsafePointer<Float>
    private nonisolated(unsafe) let indices: UnsafeMutablePointer<Int16>
    private let steps: [Float]
    private let codes: [UInt8]
    private let gains: LaneGains?

    init(
      _ weights: UnsafePointer<Float>, _ steps: [Float], _ codes: [UInt8], _ gains: LaneGains?,
      _ indices: UnsafeMutablePointer<Int16>, columns: Int
    ) {
      (self.weights, self.steps, self.codes, self.gains, self.indices, self.columns) = (
        weights, steps, codes, gains, indices, columns
      )
      rows = steps.count
    }

    var count: Int { (rows + lane - 1) / lane }

    func callAsFunction<Result>(_ index: Int, _ body: (UnsafePointer<lmk_rate_lane>) -> Result) -> Result {
      guard let gains else { return withLane(index, gains: nil, body) }
      return gains.withFactors(of: index) { _, own in withLane(index, gains: own, body) }
    }

    private func withLane<Result>(
      _ index: Int, gains: UnsafePointer<Float>?, _ body: (UnsafePointer<lmk_rate_lane>) -> Result
    ) -> Result {
      let first = index * lane
      return steps.withUnsafeBufferPointer { steps in
        codes.withUnsafeBufferPointer { codes in
          var work = lmk_rate_lane(
            rows: min(lane, rows - first), weights: weights + first * columns, steps: steps.baseAddress! + first,
            row_codes: codes.baseAddress! + first, gains: gains, indices: indices + first * columns)
          return body(&work)
        }
      }
    }
  }

  /// Lanes that know nothing of each other.
  private func quantize(_ lanes: Lanes) -> Bool {
    let columns = columnSteps.count, fits = Atomic(true)
    withPlan { plan in
      nonisolated(unsafe) let plan = plan
      ThreadPool.shared.forEach(lanes.count) { index in
        let scratch = Self.scratch(columns)
        defer { scratch.deallocate() }
        if lanes(index, { lmk_rate_quantize(plan, $0, scratch) }) == 0 { fits.store(false, ordering: .relaxed) }
      }
    }
    return fits.load(ordering: .relaxed)
  }

  /// Lanes that make up for the errors of those before them in their group. A block of columns of a lane needs the same columns of these
  /// alone, so all the blocks run at once that lie on a diagonal of lanes and columns.
  private func quantize(_ lanes: Lanes, _ gains: LaneGains) -> Bool {
    let columns = columnSteps.count, size = LMK_RATE_BLOCK, blocks = (columns + size - 1) / size
    let scratch = (0..<lanes.count).map { _ in Self.scratch(columns) }
    let errors = UnsafeMutablePointer<Float>.allocate(capacity: columns * lanes.count * Self.lane)
    let states = UnsafeMutablePointer<Int32>.allocate(capacity: lanes.count)
    states.initialize(repeating: 0, count: lanes.count)
    defer {
      scratch.forEach { $0.deallocate() }
      errors.deallocate()
      states.deallocate()
    }
    nonisolated(unsafe) let held = (scratch, errors, states)
    withPlan { plan in
      nonisolated(unsafe) let plan = plan
      ThreadPool.shared.forEach(lanes.count) { index in lanes(index) { lmk_rate_begin(plan, $0, held.0[index]) } }
      for diagonal in 0..<blocks + gains.longest - 1 {
        let ready = (0..<lanes.count).filter { (0..<blocks).contains(diagonal - gains.places[$0]) && states[$0] >= 0 }
        ThreadPool.shared.forEach(ready.count) { task in
          let index = ready[task], first = (diagonal - gains.places[index]) * size
          let block = first..<min(first + size, columns)
          held.2[index] = quantize(lanes, index, block, plan, gains, held.0[index], held.1, state: held.2[index])
        }
      }
    }
    return (0..<lanes.count).allSatisfy { states[$0] >= 0 }
  }

  /// A block of columns of a lane; `errors` are those of all lanes, [columns][rows], the rows of the last lane padded.
  private func quantize(
    _ lanes: Lanes, _ index: Int, _ block: Range<Int>, _ plan: UnsafePointer<lmk_rate_plan>, _ gains: LaneGains,
    _ scratch: UnsafeMutablePointer<Float>, _ errors: UnsafeMutablePointer<Float>, state: Int32
  ) -> Int32 {
    let lane = Self.lane, stride = lanes.count * lane, before = gains.places[index] * lane
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: block.count * lane) { shift in
      let shift = shift.baseAddress!
      let others = errors + block.lowerBound * stride + index * lane - before
      gains.withFactors(of: index) { factors, _ in
        MatrixProduct(rows: block.count, columns: lane, depth: before)(
          .init(others, stride: stride), .init(factors, stride: lane), into: shift, stride: lane)
      }
      let next = lanes(index) { lmk_rate_block(plan, $0, block.lowerBound, state, shift, scratch) }
      for column in block {
        guard let own = lmk_rate_errors(plan, column, scratch) else { continue }
        errors.advanced(by: column * stride + index * lane).update(from: own, count: lane)
      }
      return next
    }
  }

  private static func scratch(_ columns: Int) -> UnsafeMutablePointer<Float> {
    let count = lmk_rate_scratch(columns)
    return UnsafeMutableRawPointer.allocate(byteCount: 4 * count, alignment: 64).bindMemory(to: Float.self, capacity: count)
  }

  private func withPlan(_ body: (UnsafePointer<lmk_rate_plan>) -> Void) {
    feedback.withUnsafeBufferPointer { feedback in
      columnSteps.withUnsafeBufferPointer { steps in
        columnCodes.withUnsafeBufferPointer { codes in
          withTables(costs) { models, shifts, high in
            var plan = lmk_rate_plan(
              columns: steps.count, feedback: feedback.baseAddress!, steps: steps.baseAddress!, column_codes: codes.baseAddress!,
              classes: costs.models.count, models: models, shifts: shifts, costs: high,
              trellis: Int32(trellis.rawValue), keeps_zeros: keepsZeros ? 1 : 0)
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
