import Kernels
import Models
import Tensors

/// A model's weights in compute layout, shared by any number of sessions.
public final class Transformer: Sendable {
  /// What the layers are.
  public let spec: ModelSpec
  let embedding: WeightMatrix
  let layers: [LayerWeights]
  let finalNorm: [Float]
  let head: WeightMatrix

  /// Reads every tensor.
  ///
  /// - Throws: `badInput` when a tensor cannot be read.
  public init(_ source: ModelSource, progress: ProgressConsumer? = nil) throws(LMToolError) {
    spec = source.spec
    let loaded = try LoadedTensors(source, progress: progress)
    embedding = try loaded.matrix(spec.embedding)
    layers = try spec.layers.map { (layer) throws(LMToolError) in
      LayerWeights(
        attentionNorm: try loaded.vector(layer.attentionNorm.weight), query: try loaded.linear(layer.attention.query),
        key: try loaded.linear(layer.attention.key), value: try loaded.linear(layer.attention.value),
        output: try loaded.linear(layer.attention.output), mlpNorm: try loaded.vector(layer.mlpNorm.weight),
        gate: try loaded.linear(layer.mlp.gate), up: try loaded.linear(layer.mlp.up), down: try loaded.linear(layer.mlp.down))
    }
    finalNorm = try loaded.vector(spec.finalNorm.weight)
    head = try loaded.matrix(spec.head.weight)
  }

  /// Bytes of weights in memory.
  public var weightBytes: Int {
    let matrices = layers.flatMap { [$0.query, $0.key, $0.value, $0.output, $0.gate, $0.up, $0.down].map(\.weight) }
    return matrices.reduce(embedding.bytes + (spec.isTied ? 0 : head.bytes)) { $0 + $1.bytes }
  }
}

/// A matrix and its bias.
struct Linear: Sendable {
  let weight: WeightMatrix
  let bias: [Float]?

  /// y[t] = W x[t] + b.
  func apply(_ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>) {
    weight.multiply(x, tokens: tokens, into: y)
    guard let bias else { return }
    for token in 0..<tokens { add(y + token * bias.count, bias, count: bias.count) }
  }
}

/// The weights of one layer.
struct LayerWeights: Sendable {
  let attentionNorm: [Float]
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear
  let mlpNorm: [Float]
  let gate: Linear
  let up: Linear
  let down: Linear
}
