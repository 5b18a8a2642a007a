import CKernels

/// A matrix [rows, columns] on its way to being sparse: columns one after the other, what each loses fed back into those after it
/// (`sparse_feedback.h`).
public final class SparsePruner {
  /// The most columns that `scores` looks at together.
  public static let block = Int(LMK_SPARSE_BLOCK)

  private let rows: Int
  private let columns: Int
  private let feedback: [Float]
  private let deviations: [Float]
  private let lanes: Int
  /// Lane after lane, column after column.
  private let weights: UnsafeMutablePointer<Float>
  private let targets: UnsafeMutablePointer<Float>
  private let errors: UnsafeMutablePointer<Float>
  private static let laneRows = Int(LMK_SPARSE_LANE)

  /// Begins with a matrix of `rows` rows whose inputs have the factor `factor`.
  ///
  /// - Parameter matrix: [rows, factor.size].
  public init(_ matrix: [Float], rows: Int, factor: SymmetricFactor) {
    precondition(matrix.count == rows * factor.size, "the weights do not fill the rows")
    self.rows = rows
    columns = factor.size
    feedback = factor.feedback()
    deviations = factor.deviations.map { Float($0) }
    let laneRows = Self.laneRows, columns = self.columns
    let lanes = (rows + laneRows - 1) / laneRows
    self.lanes = lanes
    func buffer() -> UnsafeMutablePointer<Float> {
      let count = max(1, lanes * columns * laneRows)
      let raw = UnsafeMutableRawPointer.allocate(byteCount: 4 * count, alignment: 64)
      let floats = raw.bindMemory(to: Float.self, capacity: count)
      floats.initialize(repeating: 0, count: count)
      return floats
    }
    weights = buffer()
    targets = buffer()
    errors = buffer()
    let weights = self.weights, targets = self.targets
    ThreadPool.shared.forEach(lanes) { lane in
      for row in lane * laneRows..<min(rows, (lane + 1) * laneRows) {
        for column in 0..<columns {
          weights[(lane * columns + column) * laneRows + row % laneRows] = matrix[row * columns + column]
        }
      }
    }
    targets.update(from: weights, count: lanes * columns * laneRows)
  }

  deinit {
    for buffer in [weights, targets, errors] { UnsafeMutableRawPointer(buffer).deallocate() }
  }

  /// What it would cost to make each weight of some columns zero: [rows, columns of the range], in row order.
  public func scores(_ range: Range<Int>) -> [Float] {
    [Float](unsafeUninitializedCapacity: rows * range.count) { scores, count in
      let scores = scores
      forEachLane { plan, lane, first in
        lmk_sparse_scores(plan, lane, range.lowerBound, range.upperBound, scores.baseAddress! + first * range.count)
      }
      count = rows * range.count
    }
  }

  /// Makes weights of some columns zero, and feeds that back into the columns up to `end`.
  ///
  /// - Parameter drop: [rows, columns of the range], 1 where a weight goes.
  public func prune(_ range: Range<Int>, until end: Int, drop: [UInt8]) {
    precondition(drop.count == rows * range.count, "a choice for every weight")
    drop.withUnsafeBufferPointer { drop in
      let drop = drop
      forEachLane { plan, lane, first in
        lmk_sparse_prune(plan, lane, range.lowerBound, range.upperBound, end, drop.baseAddress! + first * range.count)
      }
    }
  }

  /// Feeds what some columns lost back into all columns behind them.
  public func feed(_ range: Range<Int>) {
    forEachLane { plan, lane, _ in lmk_sparse_feed(plan, lane, range.lowerBound, range.upperBound, range.upperBound) }
  }

  /// The matrix as it is now, [rows, columns].
  public var matrix: [Float] {
    let laneRows = Self.laneRows, columns = self.columns
    return [Float](unsafeUninitializedCapacity: rows * columns) { matrix, count in
      let matrix = matrix
      ThreadPool.shared.forEach(rows) { row in
        let lane = targets + row / laneRows * columns * laneRows + row % laneRows
        for column in 0..<columns { matrix[row * columns + column] = lane[column * laneRows] }
      }
      count = rows * columns
    }
  }

  /// Calls `body` for each lane, in parallel, with its first row.
  private func forEachLane(_ body: (UnsafePointer<lmk_sparse_plan>, UnsafePointer<lmk_sparse_lane>, Int) -> Void) {
    let laneRows = Self.laneRows, size = columns * laneRows
    feedback.withUnsafeBufferPointer { feedback in
      deviations.withUnsafeBufferPointer { deviations in
        let feedback = feedback.baseAddress!, deviations = deviations.baseAddress!
        ThreadPool.shared.forEach(lanes) { index in
          var plan = lmk_sparse_plan(columns: columns, feedback: feedback, deviations: deviations)
          let first = index * laneRows
          var lane = lmk_sparse_lane(
            rows: min(laneRows, rows - first), weights: weights + index * size, targets: targets + index * size,
            errors: errors + index * size)
          body(&plan, &lane, first)
        }
      }
    }
  }
}
