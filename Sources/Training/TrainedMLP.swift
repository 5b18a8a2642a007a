import Kernels
import Models

/// An MLP, both ways.
struct TrainedMLP: Sendable {
  private let gate: TrainedLinear?
  private let up: TrainedLinear
  private let down: TrainedLinear
  private let activation: Activation

  /// What the way back needs.
  struct Record {
    let gate: Floats?
    let up: Floats
    let output: Floats?
  }

  init(_ spec: MLPSpec, _ linear: (LinearSpec) -> TrainedLinear, _ activation: Activation) {
    gate = spec.gate.map(linear)
    up = linear(spec.up)
    down = linear(spec.down)
    self.activation = activation
  }

  /// - Parameter record: whether the way back follows.
  func forward(_ x: Floats, _ context: PassContext) -> (output: Floats, record: Record) {
    let gate = self.gate?.forward(x, context), up = self.up.forward(x, context)
    let output = down.forward(channels(gate, up, context), context)
    return (output, Record(gate: gate, up: up, output: down.needsOutputs ? output : nil))
  }

  private func channels(_ gate: Floats?, _ up: Floats, _ context: PassContext) -> Floats {
    let y = context.pool.take(up.count), width = self.up.outputs
    context.forEachPiece { piece in
      let start = piece.lowerBound * width, count = piece.count * width
      if let gate {
        activate(activation, gate.pointer + start, up.pointer + start, count: count, into: y.pointer + start)
      } else {
        activate(activation, up.pointer + start, nil, count: count, into: y.pointer + start)
      }
    }
    return y
  }

  /// dx += the gradient of x, given that of the output; or dx = that gradient.
  func backward(
    _ x: Floats, _ record: Record, _ dy: Floats, to dx: Floats, accumulate: Bool = true, _ context: PassContext
  ) {
    let dchannels = context.pool.take(context.tokens * up.outputs)
    down.backward(channels(record.gate, record.up, context), record.output, dy, to: dchannels, accumulate: false, context)
    let dgate = record.gate.map { context.scaled($0, by: 1) }, dup = context.scaled(record.up, by: 1), width = up.outputs
    context.forEachPiece { piece in
      let start = piece.lowerBound * width, count = piece.count * width
      activateGradient(
        activation, gate: (dgate ?? dup).pointer + start, up: dgate == nil ? nil : dup.pointer + start, dchannels.pointer + start,
        count: count)
    }
    if let gate, let dgate { gate.backward(x, record.gate, dgate, to: dx, accumulate: accumulate, context) }
    up.backward(x, record.up, dup, to: dx, accumulate: accumulate || gate != nil, context)
  }
}
