import CKernels

/// How the rows of a lane make up for the errors of rows before them, where errors of different outputs cost what they cost together.
///
/// With H [rows, rows] the second moment of the gradient of the loss by the outputs, errors E [rows, columns] cost tr(Eᵀ H E S): beside the
/// feedback between columns (`SymmetricFactor`) there is one between rows, by the same algebra (Tseng et al., "Model-Preserving
/// Adaptive Rounding", 2025). Rows that share a path of the trellis are chosen together, so it runs from lane to lane: H = U Uᵀ, U upper triangular,
/// and in the block form of that the rows b of a lane gain U_bb⁻ᵀ U_Pbᵀ E_P for the errors of the rows P before, and cost
/// U_bb U_bbᵀ.
public struct LaneGains: Sendable {
  /// Rows in all.
  public let rows: Int
  /// What an error in each row costs, when later lanes make up for it.
  public let costs: [Double]
  /// Of each lane the lanes before it in its group.
  let places: [Int]
  /// Of each lane [rows before in its group, rows of a lane]: what a weight gains for an error.
  let factors: [[Float]]

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
    guard place >= 0, place < places[lane] * LMK_LANE else { return 0 }
    return factors[lane][place * LMK_LANE + row % LMK_LANE]
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
      let upper = factor.upper
      for (place, first) in stride(from: 0, to: group.count, by: LMK_LANE).enumerated() {
        let lane = first..<min(first + LMK_LANE, group.count)
        costs += lane.map { row in
          upper[row * group.count + row..<row * group.count + lane.upperBound].reduce(0) { $0 + $1 * $1 }
        }
        places.append(place)
        factors.append(Self.factors(upper, size: group.count, lane))
      }
    }
    self.rows = rows
    (self.costs, self.places, self.factors) = (costs, places, factors)
  }

  /// U_Pb U_bb⁻¹ of the rows of a lane, [rows before, LMK_LANE].
  private static func factors(_ upper: [Double], size: Int, _ lane: Range<Int>) -> [Float] {
    var result = [Float](repeating: 0, count: lane.lowerBound * LMK_LANE)
    for row in 0..<lane.lowerBound {
      var own = lane.map { upper[row * size + $0] }
      for (index, column) in lane.enumerated() {
        for (before, other) in lane[..<column].enumerated() { own[index] -= own[before] * upper[other * size + column] }
        own[index] /= upper[column * size + column]
        result[row * LMK_LANE + index] = Float(own[index])
      }
    }
    return result
  }
}
