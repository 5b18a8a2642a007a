import Kernels
import Models
import Tensors

/// Which weights of a matrix may be other than zero (`formats/pruning.md`).
public enum SparsityPattern: Sendable, Equatable {
  /// A fraction of all weights is zero, wherever they are.
  case fraction(Double)
  /// Of every `of` weights of a row that follow one another, at most `keep` are not zero: 2 of 4.
  case pattern(keep: Int, of: Int)

  /// "0.5", "2:4".
  public var name: String {
    switch self {
    case .fraction(let fraction): "\(fraction)"
    case .pattern(let keep, let of): "\(keep):\(of)"
    }
  }

  /// The fraction of zeros.
  public var sparsity: Double {
    switch self {
    case .fraction(let fraction): fraction
    case .pattern(let keep, let of): 1 - Double(keep) / Double(of)
    }
  }
}

/// How weights are chosen that become zero.
public enum SparsityMethod: String, Sendable, CaseIterable, Codable {
  /// The smallest of the matrix.
  case magnitude
  /// Of each row those whose product with the deviation of their input is smallest (Sun et al. 2023).
  case wanda
  /// Column by column, what is lost being made up for by the columns behind (Frantar and Alistarh 2023).
  case sparsegpt

  /// Whether it knows the inputs of a matrix.
  var needsMoments: Bool { self != .magnitude }
}

/// Makes matrices sparse.
public struct Sparsity: Sendable, Equatable {
  /// Which weights may be other than zero.
  public var pattern: SparsityPattern
  /// How they are chosen.
  public var method: SparsityMethod

  /// Makes matrices sparse by `method`.
  public init(_ pattern: SparsityPattern, method: SparsityMethod) {
    self.pattern = pattern
    self.method = method
  }

  /// What moments are damped by for SparseGPT, as a fraction of the mean of their diagonal.
  private static let damping = 0.01

  /// `matrix` [rows, columns] with zeros (PRUNE-4 to PRUNE-7).
  ///
  /// - Parameter moment: E[x xᵀ] [columns, columns] of its inputs; not needed for `magnitude`.
  /// - Throws: `badInput` when the moment or the importance of a weight is not finite (MODEL-5, PRUNE-8).
  public func apply(_ matrix: [Float], rows: Int, moment: [Float]?) throws(LMToolError) -> [Float] {
    let columns = matrix.count / max(1, rows)
    switch method {
    case .magnitude:
      return try zeroed(matrix, columns, scores: matrix.map(\.magnitude), isByRow: false)
    case .wanda:
      let moment = moment ?? []
      let deviations = (0..<columns).map { moment[$0 * (columns + 1)].squareRoot() }
      let scores = matrix.indices.map { matrix[$0].magnitude * deviations[$0 % columns] }
      return try zeroed(matrix, columns, scores: scores, isByRow: true)
    case .sparsegpt:
      let factor = try Moments.factor(moment ?? [], size: columns, damping: Self.damping)
      return try withFeedback(SparsePruner(matrix, rows: rows, factor: factor), rows: rows, columns: columns)
    }
  }

  private func zeroed(_ matrix: [Float], _ columns: Int, scores: [Float], isByRow: Bool) throws(LMToolError) -> [Float] {
    var result = matrix
    for (index, drop) in try choose(scores, columns: columns, isByRow: isByRow).enumerated() where drop != 0 { result[index] = 0 }
    return result
  }

  private func withFeedback(_ pruner: SparsePruner, rows: Int, columns: Int) throws(LMToolError) -> [Float] {
    for start in stride(from: 0, to: columns, by: SparsePruner.block) {
      let end = min(start + SparsePruner.block, columns)
      let width: Int
      switch pattern {
      case .fraction: width = end - start
      case .pattern(_, let of): width = of
      }
      for first in stride(from: start, to: end, by: width) {
        let part = first..<min(first + width, end)
        let drop = try choose(pruner.scores(part), columns: part.count, isByRow: false)
        pruner.prune(part, until: end, drop: drop)
      }
      pruner.feed(start..<end)
    }
    return pruner.matrix
  }

  /// 1 for every weight that goes: those with the least scores, the first of equal ones first.
  private func choose(_ scores: [Float], columns: Int, isByRow: Bool) throws(LMToolError) -> [UInt8] {
    guard scores.allSatisfy(\.isFinite) else {
      throw LMToolError(.badInput, "the importance of a weight is not a finite number; the model is broken", rule: "PRUNE-8")
    }
    var drop = [UInt8](repeating: 0, count: scores.count)
    switch pattern {
    case .fraction(let fraction):
      let size = isByRow ? columns : scores.count
      for start in stride(from: 0, to: scores.count, by: max(1, size)) {
        Self.dropLeast(Int(fraction * Double(size)), of: start..<start + size, scores, &drop)
      }
    case .pattern(let keep, let of):
      for start in stride(from: 0, to: scores.count, by: of) {
        let group = start..<start + of
        for index in group {
          let before = group.count { scores[$0] < scores[index] || scores[$0] == scores[index] && $0 < index }
          drop[index] = before < of - keep ? 1 : 0
        }
      }
    }
    return drop
  }

  private static func dropLeast(_ count: Int, of range: Range<Int>, _ scores: [Float], _ drop: inout [UInt8]) {
    guard count > 0 else { return }
    let threshold = scores[range].sorted()[count - 1]
    var equal = count
    for index in range where scores[index] < threshold {
      drop[index] = 1
      equal -= 1
    }
    for index in range where equal > 0 && scores[index] == threshold {
      drop[index] = 1
      equal -= 1
    }
  }

  /// Refuses what the matrices of a model cannot have (PRUNE-4), before any work.
  func check(_ matrices: [TensorSpec], file: String) throws(LMToolError) {
    switch pattern {
    case .fraction(let fraction):
      guard fraction > 0, fraction < 1 else {
        throw LMToolError(.usage, "the sparsity must be above 0 and below 1, not \(fraction)", file: file, rule: "PRUNE-4")
      }
    case .pattern(let keep, let of):
      guard of >= 2, of <= 64, keep >= 1, keep < of else {
        throw LMToolError(
          .usage,
          "the pattern \(keep):\(of) keeps \(keep) of \(of) weights; a pattern keeps at least 1 and fewer than all, of 2 to 64",
          file: file, rule: "PRUNE-4")
      }
      // Blocks of columns are cut between groups.
      guard SparsePruner.block % of == 0 || method != .sparsegpt else {
        throw LMToolError(
          .usage, "SparseGPT takes patterns whose second number divides \(SparsePruner.block), not \(keep):\(of)", file: file,
          rule: "PRUNE-4")
      }
      for matrix in matrices where matrix.shape[1] % of != 0 {
        throw LMToolError(
          .usage, "the pattern \(keep):\(of) does not fit: its rows have \(matrix.shape[1]) weights, which \(of) does not divide",
          file: file, at: .tensor(matrix.name), rule: "PRUNE-4")
      }
    }
  }
}
