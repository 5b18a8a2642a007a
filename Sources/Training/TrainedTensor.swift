import Kernels
import Models

/// A tensor of a model in training: what layers compute with, and what of it is trained.
public final class TrainedTensor: @unchecked Sendable {
  /// What of a tensor is trained.
  public enum Training: Sendable {
    /// Nothing.
    case frozen
    /// Every number.
    case dense(Parameter)
    /// A factor for each row and each column, the numbers between them being frozen.
    case factors(Factors)
    /// A factor for each group of a row, as the scales of a grid are.
    case groups(GroupFactors)
    /// A product of two narrow matrices that is added to frozen numbers (Hu et al. 2021).
    case lowRank(LowRank)
  }

  /// Name and shape.
  public let spec: TensorSpec
  /// The numbers, row after row.
  public let values: Floats
  /// What of them is trained.
  public let training: Training
  /// Sees the gradients of what a matrix gives; nil where nobody wants to know.
  let gradients: OutputGradients?

  init(_ spec: TensorSpec, _ values: Floats, _ training: Training, gradients: OutputGradients? = nil) {
    self.spec = spec
    self.values = values
    self.training = training
    self.gradients = gradients
  }

  /// Rows of a matrix, elements of a vector.
  var rows: Int { spec.shape[0] }
  /// Columns of a matrix.
  var columns: Int { spec.shape.count == 2 ? spec.shape[1] : 1 }

  /// What is trained.
  var parameters: [Parameter] {
    switch training {
    case .frozen: []
    case .dense(let parameter): [parameter]
    case .factors(let factors): [factors.rows] + (factors.columns.map { [$0] } ?? [])
    case .groups(let groups): [groups.factors]
    case .lowRank(let pair): [pair.down, pair.up]
    }
  }

  /// Where gradients of the numbers themselves are added; nil where they are not needed.
  var gradient: UnsafeMutablePointer<Float>? {
    if case .dense(let parameter) = training { return parameter.gradient.pointer }
    return nil
  }

  /// Brings the numbers up to date with what was trained.
  func refresh() {
    switch training {
    case .frozen, .dense: break
    case .factors(let factors): factors.apply(to: values)
    case .groups(let groups): groups.apply(to: values)
    case .lowRank(let pair): pair.apply(to: values)
    }
  }
}

/// Row and column factors of a matrix: W[i][j] = rows[i] · base[i][j] · columns[j].
public final class Factors: Sendable {
  /// One for each row, 1 at first.
  public let rows: Parameter
  /// One for each column, 1 at first; nil where they are left as they are.
  public let columns: Parameter?
  private let base: Floats
  private let width: Int

  init(_ name: String, base: Floats, rows rowCount: Int, columns columnCount: Int, trainsColumns: Bool) {
    self.base = base
    width = columnCount
    rows = Parameter(name + ".rows", Floats([Float](repeating: 1, count: rowCount)), decays: false)
    let ones = [Float](repeating: 1, count: columnCount)
    columns = trainsColumns ? Parameter(name + ".columns", Floats(ones), decays: false) : nil
  }

  func apply(to values: Floats) {
    let count = width, rowFactors = rows.values.pointer, columnFactors = columns?.values.pointer
    ThreadPool.shared.forEach(rows.values.count) { row in
      let from = self.base.pointer + row * count, to = values.pointer + row * count
      if let columnFactors {
        multiply(from, columnFactors, count: count, into: to)
      } else {
        to.update(from: from, count: count)
      }
      scale(to, by: rowFactors[row], count: count)
    }
  }
}
