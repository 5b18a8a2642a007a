import Kernels

/// A factor for each group of `width` numbers of a row: W[i][j] = factors[i][j / width] · base[i][j]. The scales of a grid (and its
/// minimums) times these are another grid with the same codes.
public final class GroupFactors: Sendable {
  /// [rows, groups], 1 at first.
  public let factors: Parameter
  /// Groups of a row, the last of which may be shorter.
  public let groups: Int
  private let base: Floats
  private let columns: Int
  private let width: Int

  init(_ name: String, base: Floats, rows: Int, columns: Int, width: Int) {
    self.base = base
    self.columns = columns
    self.width = width
    groups = (columns + width - 1) / width
    factors = Parameter(name + ".scales", Floats([Float](repeating: 1, count: rows * groups)), decays: false)
  }

  /// Calls `body` with the groups of a row: which factor, where its numbers begin in the row, and how many there are.
  private func forEachGroup(_ row: Int, _ body: (_ factor: Int, _ start: Int, _ count: Int) -> Void) {
    for group in 0..<groups { body(row * groups + group, group * width, min(width, columns - group * width)) }
  }

  func apply(to values: Floats) {
    ThreadPool.shared.forEach(factors.values.count / groups) { row in
      let from = base.pointer + row * columns, to = values.pointer + row * columns
      forEachGroup(row) { factor, start, count in
        to.advanced(by: start).update(from: from + start, count: count)
        scale(to + start, by: factors.values.pointer[factor], count: count)
      }
    }
  }

  /// Adds to the gradients, given that of the matrix.
  func add(_ gradient: Floats) {
    ThreadPool.shared.forEach(factors.values.count / groups) { row in add(gradient.pointer + row * columns, row: row) }
  }

  /// Adds to the gradients, given those of single rows that were read, one after the other: the same row may come twice.
  func addRows(_ tokens: [Int32], _ gradients: Floats) {
    for (index, token) in tokens.enumerated() { add(gradients.pointer + index * columns, row: Int(token)) }
  }

  private func add(_ gradient: UnsafePointer<Float>, row: Int) {
    forEachGroup(row) { factor, start, count in
      factors.gradient.pointer[factor] += Float(
        sumOfProducts(gradient + start, base.pointer + row * columns + start, count: count))
    }
  }
}
