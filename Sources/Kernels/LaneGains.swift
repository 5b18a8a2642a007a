import CKernels

/// How rows make up for the errors of rows before them, where errors of different outputs cost what they cost together.
///
/// With H [rows, rows] the second moment of the gradient of the loss by the outputs, errors E [rows, columns] cost tr(Eᵀ H E S): beside the
/// feedback between columns (`SymmetricFactor`) there is one between rows, by the same algebra (Tseng et al., "Model-Preserving
/// Adaptive Rounding", 2025). H = U Uᵀ, U upper triangular: row i gains U_ki / U_ii for an error in a row k before it, and what is left of its
/// own costs U_ii². Within a lane, whose rows are chosen together, every way through the trellis has gains of its own.
public struct LaneGains: Sendable {
  /// Rows in all.
  public let rows: Int
  /// What an error in each row costs, when later rows make up for it.
  public let costs: [Double]
  /// Of each lane the lanes before it in its group.
  let places: [Int]
  /// Of each lane [rows of its group up to its last, LMK_LANE]: what a weight gains for an error.
  private let factors: [[Float]]

  /// Lanes of a group at most: others know nothing of each other, so that the factors do not outgrow the matrices.
  static let groupLanes = 16

  /// The rows of each group of a matrix: as many lanes in each as in others, or one fewer.
  public static func groups(rows: Int) -> [Range<Int>] {
    let lanes = (rows + LMK_LANE - 1) / LMK_LANE, count = (lanes + groupLanes - 1) / groupLanes
    return (0..<count).map { lanes * $0 / count * LMK_LANE..<min(rows, lanes * ($0 + 1) / count * LMK_LANE) }
  }

  /// What a weight of `row` gains for an error of 1 in the row `before` it, in the same column.
  public func gain(of row: Int, for before: Int) -> Float {
    let lane = row / LMK_LANE, place = before - (lane - places[lane]) * LMK_LANE
    guard place >= 0, before < row else { return 0 }
    return factors[lane][place * LMK_LANE + row % LMK_LANE]
  }

  /// What the rows of a lane gain for errors in the lanes before it, [rows before in its group, LMK_LANE], and for errors in its own, [LMK_LANE,
  /// LMK_LANE].
  func withFactors<Result>(
    of lane: Int, _ body: (_ before: UnsafePointer<Float>, _ own: UnsafePointer<Float>) -> Result
  ) -> Result {
    factors[lane].withUnsafeBufferPointer { body($0.baseAddress!, $0.baseAddress! + places[lane] * LMK_LANE * LMK_LANE) }
  }

  /// Lanes of the largest group.
  var longest: Int { (places.max() ?? 0) + 1 }

  /// Of moments [rows, rows] of each group, which together are of all rows.
  ///
  /// - Returns: nil when one of them is not positive definite.
  public init?(_ moments: [[Float]], rows: Int) {
    var costs: [Double] = [], places: [Int] = [], factors: [[Float]] = []
    for (group, moment) in zip(Self.groups(rows: rows), moments) {
      precondition(moment.count == group.count * group.count, "a moment of each group")
      let factor = moment.withUnsafeBufferPointer { SymmetricFactor($0.baseAddress!, size: group.count, damping: 0) }
      guard let factor else { return nil }
      costs += factor.deviations.map { $0 * $0 }
      let feedback = factor.feedback()
      for (place, first) in stride(from: 0, to: group.count, by: LMK_LANE).enumerated() {
        places.append(place)
        factors.append(Self.factors(feedback, size: group.count, first..<min(first + LMK_LANE, group.count)))
      }
    }
    self.rows = rows
    (self.costs, self.places, self.factors) = (costs, places, factors)
  }

  /// Of the rows of a lane, for all before them in their group: [rows up to the last of the lane, LMK_LANE].
  private static func factors(_ feedback: [Float], size: Int, _ lane: Range<Int>) -> [Float] {
    var result = [Float](repeating: 0, count: (lane.lowerBound + LMK_LANE) * LMK_LANE)
    for (index, row) in lane.enumerated() {
      for before in 0..<row { result[before * LMK_LANE + index] = feedback[row * size + before] }
    }
    return result
  }
}
