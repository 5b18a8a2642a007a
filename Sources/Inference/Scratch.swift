import Kernels
import Models

/// The buffers of a forward pass, allocated once: nothing is allocated while tokens are generated.
final class Scratch {
  /// Tokens that fit.
  let batch: Int
  /// [batch, width]
  let residual: UnsafeMutablePointer<Float>
  /// [batch, width]
  let normed: UnsafeMutablePointer<Float>
  /// [batch, heads · head size]
  let queries: UnsafeMutablePointer<Float>
  /// [batch, key-value heads · head size]
  let keys: UnsafeMutablePointer<Float>
  /// [batch, key-value heads · head size]
  let values: UnsafeMutablePointer<Float>
  /// [batch, heads · head size]
  let attended: UnsafeMutablePointer<Float>
  /// [batch, channels]
  let gate: UnsafeMutablePointer<Float>
  /// [batch, channels]
  let up: UnsafeMutablePointer<Float>
  /// Into how many pieces the attention of a layer may be cut.
  let attentionPieces: Int
  private let pieces: UnsafeMutablePointer<Float>
  private let pieceSize: Int
  private let headSize: Int
  private let capacity: Int
  private let vocabulary: Int
  private var logitsBuffer: UnsafeMutableBufferPointer<Float>

  /// Buffers for the widest layer of `spec`.
  init(_ spec: ModelSpec, batch: Int, capacity: Int) {
    func widest(_ size: (LayerSpec) -> Int) -> Int { spec.layers.map(size).max() ?? 1 }
    func allocate(_ width: Int) -> UnsafeMutablePointer<Float> { .allocate(capacity: batch * width) }
    self.batch = batch
    self.capacity = (capacity + 15) / 16 * 16
    vocabulary = spec.vocabularySize
    residual = allocate(spec.width)
    normed = allocate(spec.width)
    queries = allocate(widest { $0.attention.query.outputs })
    keys = allocate(widest { $0.attention.key.outputs })
    values = allocate(widest { $0.attention.key.outputs })
    attended = allocate(widest { $0.attention.query.outputs })
    gate = allocate(widest { $0.mlp.gate.outputs })
    up = allocate(widest { $0.mlp.gate.outputs })
    headSize = widest { ($0.attention.headSize + 31) / 32 * 32 }
    pieceSize = self.capacity + 2 * headSize
    attentionPieces = 4 * ThreadPool.shared.threads
    let count = attentionPieces * pieceSize
    pieces = .allocate(capacity: count)
    pieces.initialize(repeating: 0, count: count)  // the padding of queries stays zero
    logitsBuffer = .allocate(capacity: spec.vocabularySize)
  }

  deinit {
    for buffer in [residual, normed, queries, keys, values, attended, gate, up, pieces] { buffer.deallocate() }
    logitsBuffer.deallocate()
  }

  /// The scores, padded query and padded output of one piece of the attention of a layer.
  func attention(
    _ piece: Int
  ) -> (scores: UnsafeMutablePointer<Float>, query: UnsafeMutablePointer<Float>, output: UnsafeMutablePointer<Float>) {
    let base = pieces + piece * pieceSize
    return (base, base + capacity, base + capacity + headSize)
  }

  /// [count, vocabulary]; grows when more is asked for than ever before.
  func logits(_ count: Int) -> UnsafeMutablePointer<Float> {
    if logitsBuffer.count < count * vocabulary {
      logitsBuffer.deallocate()
      logitsBuffer = .allocate(capacity: count * vocabulary)
    }
    return logitsBuffer.baseAddress!
  }
}
