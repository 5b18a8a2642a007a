import Inference
import Kernels
import Models

/// One model on its way through a calibration text: the residual stream of all tokens, and what a layer makes of it.
package final class ResidualPath {
  /// Tokens of all windows.
  package let tokens: Int
  /// [tokens, width].
  package let residual: UnsafeMutablePointer<Float>
  /// [tokens, inputs] of the matrix that comes next, which are kept for all tokens: outputs of attention, or channels of the MLP.
  let channels: UnsafeMutablePointer<Float>
  private let width: Int
  private let window: Int
  private let scratch: [UnsafeMutablePointer<Float>]
  /// [tokens, width]: what attention will add, where the MLP reads the stream before that.
  private let deferred: UnsafeMutablePointer<Float>?

  /// Tokens that pass through a matrix together, at least one window.
  static func batch(window: Int) -> Int { max(1, 2048 / window) * window }

  /// A path for the widest layer of `spec`.
  init(_ spec: ModelSpec, windows: TokenWindows) {
    tokens = windows.tokens.count
    width = spec.width
    window = windows.length
    func widest(_ size: (LayerSpec) -> Int) -> Int { spec.layers.map(size).max() ?? 1 }
    residual = .allocate(capacity: max(1, tokens * width))
    channels = .allocate(capacity: max(1, tokens * widest { max($0.attention.output.inputs, $0.mlp.down.inputs) }))
    let rows = min(tokens, Self.batch(window: windows.length))
    let outputs = max(width, widest { max($0.attention.query.outputs, $0.mlp.up.outputs) })
    scratch = (0..<4).map { _ in .allocate(capacity: max(1, rows * outputs)) }
    let isParallel = spec.layers.contains { $0.arrangement == .parallel || $0.arrangement == .parallelShared }
    deferred = isParallel ? .allocate(capacity: max(1, tokens * width)) : nil
  }

  deinit {
    residual.deallocate()
    channels.deallocate()
    deferred?.deallocate()
    for buffer in scratch { buffer.deallocate() }
  }

  /// Fills the residual stream with the tokens' rows of an embedding.
  func embed(_ ids: [Int32], _ table: [Float], _ input: EmbeddingRunner) {
    input.run(ids, table: table, window: window, into: residual)
  }

  /// Goes on from where another path of the same text is.
  func join(_ other: ResidualPath) { residual.update(from: other.residual, count: tokens * width) }

  /// What enters queries, keys and values, for a batch of tokens; overwritten by the next step.
  func attentionInput(_ layer: LayerRunner, _ batch: Range<Int>) -> UnsafePointer<Float> {
    layer.attentionInput(residual + batch.lowerBound * width, tokens: batch.count, into: scratch[0])
    return UnsafePointer(scratch[0])
  }

  /// Attention of a batch, from its input on, into the channels; returns what enters the output matrix.
  func attend(_ layer: LayerRunner, _ matrices: LayerMatrices, _ batch: Range<Int>) -> UnsafePointer<Float> {
    let attention = layer.spec.attention
    let x = attentionInput(layer, batch)
    for (linear, y) in [(attention.query, scratch[1]), (attention.key, scratch[2]), (attention.value, scratch[3])] {
      matrices.multiply(linear, x, tokens: batch.count, into: y)
    }
    let output = channels + batch.lowerBound * attention.output.inputs
    layer.attention(queries: scratch[1], keys: scratch[2], values: scratch[3], tokens: batch.count, into: output)
    return UnsafePointer(output)
  }

  /// What enters gate and up, for a batch of tokens; overwritten by the next step.
  func mlpInput(_ layer: LayerRunner, _ batch: Range<Int>) -> UnsafePointer<Float> {
    layer.mlpInput(residual + batch.lowerBound * width, tokens: batch.count, into: scratch[0])
    return UnsafePointer(scratch[0])
  }

  /// The MLP of a batch, from its input on, into the channels; returns what enters the down matrix.
  func activate(_ layer: LayerRunner, _ matrices: LayerMatrices, _ batch: Range<Int>) -> UnsafePointer<Float> {
    let mlp = layer.spec.mlp, x = mlpInput(layer, batch)
    if let gate = mlp.gate { matrices.multiply(gate, x, tokens: batch.count, into: scratch[1]) }
    matrices.multiply(mlp.up, x, tokens: batch.count, into: scratch[2])
    let output = channels + batch.lowerBound * mlp.down.inputs
    layer.mlpChannels(
      gate: mlp.gate == nil ? nil : UnsafePointer(scratch[1]), up: scratch[2], tokens: batch.count, into: output)
    return UnsafePointer(output)
  }

  /// The output matrix of attention of the channels of a batch, added to the residual stream, or kept until the MLP has read it.
  func addAttention(_ layer: LayerRunner, _ matrices: LayerMatrices, _ batch: Range<Int>) {
    let linear = layer.spec.attention.output, start = batch.lowerBound * width
    let y = layer.isParallel ? deferred.map { $0 + start } ?? scratch[0] : scratch[0]
    matrices.multiply(linear, channels + batch.lowerBound * linear.inputs, tokens: batch.count, into: y)
    if !layer.isParallel { layer.addAttention(y, to: residual + start, tokens: batch.count) }
  }

  /// The down matrix of the channels of a batch, added to the residual stream, after what was kept of attention.
  func addMLP(_ layer: LayerRunner, _ matrices: LayerMatrices, _ batch: Range<Int>) {
    let linear = layer.spec.mlp.down, start = batch.lowerBound * width
    matrices.multiply(linear, channels + batch.lowerBound * linear.inputs, tokens: batch.count, into: scratch[0])
    if layer.isParallel, let deferred { layer.addAttention(deferred + start, to: residual + start, tokens: batch.count) }
    layer.addMLP(scratch[0], to: residual + start, tokens: batch.count)
  }
}
