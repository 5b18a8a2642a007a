import Kernels
import Models

/// From tokens to the residual stream.
struct InputPass: Sendable {
  /// The embedding.
  let table: WeightMatrix
  /// What its rows are multiplied with.
  let factor: Float
  /// From its rows to the stream, where they are of another width.
  let projection: Projection?
  /// Learned positions.
  let positions: WeightMatrix?
  /// The row of position 0.
  let offset: Int

  /// The embedding of a token.
  func embedding(_ id: Int, into row: UnsafeMutablePointer<Float>) {
    table.row(id, into: row)
    if factor != 1 { scale(row, by: factor, count: table.inputs) }
  }

  /// Adds the learned position, where there is one, to a row of the stream; `working` has room for another row.
  func addPosition(_ position: Int, to row: UnsafeMutablePointer<Float>, working: UnsafeMutablePointer<Float>) {
    guard let positions else { return }
    positions.row(position + offset, into: working)
    add(row, working, count: positions.inputs)
  }
}

/// From the residual stream to what the head reads, and from its products to logits.
struct OutputPass: Sendable {
  /// The norm before the head.
  let norm: NormPass?
  /// From the stream to what the head reads, where that is of another width.
  let projection: Projection?
  /// The bias of the head.
  let bias: [Float]?
  /// What logits are multiplied with.
  let factor: Float
  /// What they are softly held to.
  let cap: Float?

  /// Whether products of the head are the logits.
  var isPlain: Bool { bias == nil && factor == 1 && cap == nil }

  /// Turns the head's products of one token into logits, in place.
  func finish(_ logits: UnsafeMutablePointer<Float>, count: Int) {
    if let bias { add(logits, bias, count: count) }
    if factor != 1 { scale(logits, by: factor, count: count) }
    if let cap { softcap(logits, cap, count: count) }
  }
}
