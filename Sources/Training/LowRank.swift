import Kernels

/// A low-rank change of a matrix: W = base + scale · up · down, with down [rank, columns] and up [rows, rank] (Hu et al. 2021).
public final class LowRank: Sendable {
  /// [rank, columns]; "A" in PEFT.
  public let down: Parameter
  /// [rows, rank], 0 at first; "B" in PEFT.
  public let up: Parameter
  /// Columns of `up`.
  public let rank: Int
  /// α / rank.
  public let scale: Float
  private let base: Floats
  private let rows: Int
  private let columns: Int

  init(_ name: String, base: Floats, rows: Int, columns: Int, rank: Int, alpha: Float, down values: [Float]) {
    self.base = base
    self.rows = rows
    self.columns = columns
    self.rank = rank
    scale = alpha / Float(rank)
    down = Parameter(name + ".lora_A", Floats(values), decays: true)
    up = Parameter(name + ".lora_B", Floats(count: rows * rank), decays: true)
  }

  func apply(to values: Floats) {
    values.copy(base)
    let scaled = Floats(up.values.array.map { $0 * scale })
    MatrixProduct(rows: rows, columns: columns, depth: rank)(
      .init(scaled.pointer, stride: rank), .init(down.values.pointer, stride: columns), into: values.pointer, stride: columns,
      accumulate: true)
  }

  /// Adds to the gradients, given what went into the matrix, x [tokens, columns], and the gradient of what came out, dy [tokens, rows].
  /// The gradient of the matrix itself is not needed: that of `up` is scale · dyᵀ (x downᵀ), that of `down` scale · (dy up)ᵀ x.
  func add(_ x: Floats, _ dy: Floats, _ context: PassContext) {
    let tokens = context.tokens
    let narrow = context.pool.take(tokens * rank)
    func multiply(_ a: Floats, _ b: Floats, columns: Int, depth: Int, transposed: Bool) {
      MatrixProduct(rows: tokens, columns: rank, depth: depth, arithmetic: context.arithmetic)(
        .init(a.pointer, stride: depth), .init(b.pointer, stride: columns, transposed: transposed), into: narrow.pointer,
        stride: rank)
      Kernels.scale(narrow.pointer, by: scale, count: narrow.count)
    }
    multiply(x, down.values, columns: columns, depth: columns, transposed: true)
    MatrixProduct(rows: rows, columns: rank, depth: tokens, arithmetic: context.arithmetic)(
      .init(dy.pointer, stride: rows, transposed: true), .init(narrow.pointer, stride: rank), into: up.gradient.pointer,
      stride: rank, accumulate: true)
    multiply(dy, up.values, columns: rank, depth: rows, transposed: false)
    MatrixProduct(rows: rank, columns: columns, depth: tokens, arithmetic: context.arithmetic)(
      .init(narrow.pointer, stride: rank, transposed: true), .init(x.pointer, stride: columns), into: down.gradient.pointer,
      stride: columns, accumulate: true)
  }
}
