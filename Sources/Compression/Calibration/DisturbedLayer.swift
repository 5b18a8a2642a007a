import Inference
import Models

/// A layer that can be run with noise on the outputs of one of its matrices.
final class DisturbedLayer {
  private let matrices: LayerMatrices
  private let runner: LayerRunner
  private let tokens: Int

  init(_ matrices: LayerMatrices, windows: TokenWindows) {
    self.matrices = matrices
    runner = LayerRunner(matrices, window: windows.length)
    tokens = windows.tokens.count
  }

  /// Runs all windows through the layer. residual: [tokens, width], changed in place.
  func run(_ residual: inout [Float], disturbing disturbed: LinearSpec?, variance: Double, seed: UInt64) {
    let attention = matrices.spec.attention, mlp = matrices.spec.mlp
    func apply(_ linear: LinearSpec, _ x: [Float]) -> [Float] {
      var y = [Float](repeating: 0, count: tokens * linear.outputs)
      y.withUnsafeMutableBufferPointer { matrices.multiply(linear, x, tokens: tokens, into: $0.baseAddress!) }
      if disturbed?.weight.name == linear.weight.name { SensitivityProbe.disturb(&y, variance: variance, seed: seed) }
      return y
    }
    func add(_ y: [Float], _ body: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void) {
      var y = y
      residual.withUnsafeMutableBufferPointer { h in y.withUnsafeMutableBufferPointer { body($0.baseAddress!, h.baseAddress!) } }
    }

    var x = [Float](repeating: 0, count: residual.count)
    x.withUnsafeMutableBufferPointer { runner.attentionInput(residual, tokens: tokens, into: $0.baseAddress!) }
    var queries = apply(attention.query, x), keys = apply(attention.key, x)
    let values = apply(attention.value, x)
    var heads = [Float](repeating: 0, count: queries.count)
    runner.attention(queries: &queries, keys: &keys, values: values, tokens: tokens, into: &heads)
    let attended = apply(attention.output, heads)
    func addAttention() { add(attended) { runner.addAttention($0, to: $1, tokens: tokens) } }
    if !runner.isParallel { addAttention() }
    x.withUnsafeMutableBufferPointer { runner.mlpInput(residual, tokens: tokens, into: $0.baseAddress!) }
    if runner.isParallel { addAttention() }
    let gate = mlp.gate.map { apply($0, x) }
    var channels = apply(mlp.up, x)
    channels.withUnsafeMutableBufferPointer {
      runner.mlpChannels(gate: gate, up: $0.baseAddress!, tokens: tokens, into: $0.baseAddress!)
    }
    add(apply(mlp.down, channels)) { runner.addMLP($0, to: $1, tokens: tokens) }
  }
}
