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
    let total = source.spec.tensors.count
    var done = 0
    func read<Value>(_ spec: TensorSpec, _ load: (any TensorReader) throws(LMToolError) -> Value) throws(LMToolError) -> Value {
      let value: Value
      do throws(LMToolError) { value = try load(try source.tensor(spec)) } catch { throw error.within(file: source.path) }
      done += 1
      progress?(ProgressUpdate(stage: "load", done: done, total: total, unit: .tensors))
      return value
    }
    func linear(_ spec: LinearSpec) throws(LMToolError) -> Linear {
      let weight = try read(spec.weight, WeightMatrix.load)
      guard let bias = spec.bias else { return Linear(weight: weight, bias: nil) }
      return Linear(weight: weight, bias: try read(bias) { (tensor) throws(LMToolError) in try tensor.readAll() })
    }
    func vector(_ spec: TensorSpec) throws(LMToolError) -> [Float] {
      try read(spec) { (tensor) throws(LMToolError) in try tensor.readAll() }
    }
    embedding = try read(source.spec.embedding, WeightMatrix.load)
    var layers: [LayerWeights] = []
    for layer in source.spec.layers {
      layers.append(
        LayerWeights(
          attentionNorm: try vector(layer.attentionNorm.weight), query: try linear(layer.attention.query),
          key: try linear(layer.attention.key), value: try linear(layer.attention.value), output: try linear(layer.attention.output),
          mlpNorm: try vector(layer.mlpNorm.weight), gate: try linear(layer.mlp.gate), up: try linear(layer.mlp.up),
          down: try linear(layer.mlp.down)))
    }
    self.layers = layers
    finalNorm = try vector(source.spec.finalNorm.weight)
    head = source.spec.isTied ? embedding : try read(source.spec.head.weight, WeightMatrix.load)
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
