import Kernels

/// The gradients g of the loss by what a matrix gives, as they pass on the way back: Σ g gᵀ over the tokens, for each group of lanes that make up
/// for each other's errors (`LaneGains.groups`).
public final class OutputGradients: @unchecked Sendable {
  /// Outputs of the matrix.
  public let outputs: Int
  /// Tokens that passed.
  public private(set) var tokens = 0
  /// Of each group [outputs of the group, outputs of the group].
  public private(set) var sums: [[Double]]
  private let groups: [Range<Int>]

  init(outputs: Int) {
    self.outputs = outputs
    groups = LaneGains.groups(rows: outputs)
    sums = groups.map { [Double](repeating: 0, count: $0.count * $0.count) }
  }

  /// Adds those of some tokens, [tokens][outputs].
  func add(_ gradients: Floats, tokens count: Int) {
    for (index, group) in groups.enumerated() {
      var part = [Float](repeating: 0, count: count * group.count), gram = [Float](repeating: 0, count: group.count * group.count)
      part.withUnsafeMutableBufferPointer { part in
        guard let base = part.baseAddress else { return }
        for token in 0..<count {
          base.advanced(by: token * group.count).update(
            from: gradients.pointer + token * outputs + group.lowerBound, count: group.count)
        }
        gram.withUnsafeMutableBufferPointer {
          MatrixProduct.addGram(of: base, tokens: count, size: group.count, to: $0.baseAddress ?? base)
        }
      }
      for place in gram.indices { sums[index][place] += Double(gram[place]) }
    }
    tokens += count
  }

  /// The mean squared gradient of an output.
  public var meanSquare: Double {
    let squares = zip(groups, sums).reduce(0.0) { sum, group in
      group.0.indices.reduce(sum) { $0 + group.1[($1 - group.0.lowerBound) * (group.0.count + 1)] }
    }
    return squares / Double(max(1, outputs * tokens))
  }

  /// The second moments of the groups, divided by the mean square of all outputs, and mixed with as much of the identity as `floor` says: few
  /// tokens do not tell that an output is worth nothing. Nil where there is no gradient, or none that is finite.
  public func relativeMoments(floor: Double) -> [[Float]]? {
    let mean = meanSquare * Double(max(1, tokens))
    guard mean.isFinite, mean > 0 else { return nil }
    return zip(groups, sums).map { group, sums in
      sums.enumerated().map { place, sum in
        Float((1 - floor) * sum / mean + (place % (group.count + 1) == 0 ? floor : 0))
      }
    }
  }
}
