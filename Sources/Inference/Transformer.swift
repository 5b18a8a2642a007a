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
  let head: Projection

  /// Reads every tensor.
  ///
  /// - Throws: `badInput` when a tensor cannot be read.
  public init(
    _ source: ModelSource, arithmetic: Arithmetic = .integer, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    spec = source.spec
    let loaded = try LoadedTensors(source, arithmetic, progress: progress)
    embedding = try loaded.matrix(spec.embedding)
    layers = try spec.layers.map { (layer) throws(LMToolError) in
      let attention = layer.attention, mlp = layer.mlp
      // Rounded activations harm attention and the logits most, three quarters of all that they cost SmolLM2's perplexity, and
      // by the outliers that a norm leaves in them: these inputs keep their peaks.
      return LayerWeights(
        attentionNorm: try loaded.vector(layer.attentionNorm.weight),
        queryKeyValue: try loaded.linear(attention.query, attention.key, attention.value, keepsPeaks: true),
        output: try loaded.linear(attention.output), mlpNorm: try loaded.vector(layer.mlpNorm.weight),
        gateUp: try loaded.linear(mlp.gate, mlp.up), down: try loaded.linear(mlp.down))
    }
    finalNorm = try loaded.vector(spec.finalNorm.weight)
    head = Projection([try loaded.matrix(spec.head.weight)], keepsPeaks: true)
  }

  /// In how many ways a product may want its activations coded at the same time.
  var codings: Int { (projections + [head]).reduce(1) { max($0, $1.codingCount) } }

  /// Those of the layers.
  private var projections: [Projection] {
    layers.flatMap { [$0.queryKeyValue, $0.output, $0.gateUp, $0.down].map(\.projection) }
  }

  /// Bytes of weights in memory.
  public var weightBytes: Int {
    projections.reduce(embedding.bytes + (spec.isTied ? 0 : head.bytes)) { $0 + $1.bytes }
  }
}

/// Linear layers that read the same activations: y[t] = W x[t] + b.
struct Linear: Sendable {
  /// W.
  let projection: Projection
  /// b, of all outputs.
  let bias: [Float]?

  /// Adds the bias to the outputs of one token.
  func addBias(_ outputs: UnsafeMutablePointer<Float>) {
    if let bias { add(outputs, bias, count: bias.count) }
  }
}

/// The weights of one layer.
struct LayerWeights: Sendable {
  let attentionNorm: [Float]
  let queryKeyValue: Linear
  let output: Linear
  let mlpNorm: [Float]
  let gateUp: Linear
  let down: Linear
}
