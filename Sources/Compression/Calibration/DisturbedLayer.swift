import Inference
import Kernels
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
    func addToResidual(_ y: [Float]) { residual.withUnsafeMutableBufferPointer { add($0.baseAddress!, y, count: y.count) } }

    var x = [Float](repeating: 0, count: residual.count)
    x.withUnsafeMutableBufferPointer { runner.attentionInput(residual, tokens: tokens, into: $0.baseAddress!) }
    var queries = apply(attention.query, x), keys = apply(attention.key, x)
    let values = apply(attention.value, x)
    var heads = [Float](repeating: 0, count: queries.count)
    runner.attention(queries: &queries, keys: &keys, values: values, tokens: tokens, into: &heads)
    addToResidual(apply(attention.output, heads))
    x.withUnsafeMutableBufferPointer { runner.mlpInput(residual, tokens: tokens, into: $0.baseAddress!) }
    var channels = apply(mlp.gate, x)
    let up = apply(mlp.up, x)
    channels.withUnsafeMutableBufferPointer {
      runner.mlpChannels(gate: $0.baseAddress!, up: up, tokens: tokens, into: $0.baseAddress!)
    }
    addToResidual(apply(mlp.down, channels))
  }
}
