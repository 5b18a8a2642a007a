import Kernels
import Models

/// The buffers of a forward pass, allocated once: nothing is allocated while tokens are generated.
final class Scratch {
  /// Tokens that fit.
  let batch: Int
  /// [batch, width], the residual stream.
  let residual: UnsafeMutablePointer<Float>
  /// [batch, inputs] of the product that comes next.
  let activations: Activations
  /// [batch, outputs] of the product before: queries, keys and values side by side, or gate and up, or [batch, width].
  let outputs: UnsafeMutablePointer<Float>
  /// Into how many pieces a step over tokens or heads may be cut.
  let pieces: Int
  private let attentionBuffer: UnsafeMutableRawPointer
  private let attentionBytes: Int
  private let vocabulary: Int
  private var logitsBuffer: UnsafeMutableBufferPointer<Float>

  /// Buffers for the widest layer of `model`.
  init(_ model: Transformer, batch: Int) {
    let spec = model.spec
    func widest(_ size: (LayerSpec) -> Int) -> Int { spec.layers.map(size).max() ?? 1 }
    self.batch = batch
    vocabulary = spec.vocabularySize
    residual = .allocate(capacity: batch * spec.width)
    let ends = [spec.embedding.shape[1], spec.head.inputs]
    let inputs = widest { max($0.attention.output.inputs, $0.mlp.down.inputs) }
    activations = Activations(rows: batch, width: max(spec.width, inputs, ends[0], ends[1]), codings: model.codings)
    let attentionOutputs = widest { $0.attention.query.outputs + $0.attention.key.outputs + $0.attention.value.outputs }
    let mlpOutputs = widest { $0.mlp.inputs.reduce(0) { $0 + $1.outputs } }
    outputs = .allocate(capacity: batch * max(spec.width, attentionOutputs, mlpOutputs, ends[1]))
    pieces = 4 * ThreadPool.shared.threads
    attentionBytes = HeadCache.scratchBytes(size: widest { $0.attention.headSize })
    attentionBuffer = .allocate(byteCount: pieces * attentionBytes, alignment: 64)
    logitsBuffer = .allocate(capacity: spec.vocabularySize)
  }

  deinit {
    residual.deallocate()
    outputs.deallocate()
    attentionBuffer.deallocate()
    logitsBuffer.deallocate()
  }

  /// What one piece of the attention of a layer works in.
  func attention(_ piece: Int) -> UnsafeMutableRawPointer { attentionBuffer + piece * attentionBytes }

  /// [count, vocabulary]; grows when more is asked for than ever before.
  func logits(_ count: Int) -> UnsafeMutablePointer<Float> {
    if logitsBuffer.count < count * vocabulary {
      logitsBuffer.deallocate()
      logitsBuffer = .allocate(capacity: count * vocabulary)
    }
    return logitsBuffer.baseAddress!
  }
}
