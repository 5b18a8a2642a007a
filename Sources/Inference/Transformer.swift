import Kernels
import Models
import Tensors

/// A model's weights in compute layout, shared by any number of sessions.
public final class Transformer: Sendable {
  /// What the layers are.
  public let spec: ModelSpec
  let input: InputPass
  let layers: [LayerWeights]
  let output: OutputPass
  let head: Projection

  /// Reads every tensor.
  ///
  /// - Throws: `badInput` when a tensor cannot be read.
  public init(
    _ source: ModelSource, arithmetic: Arithmetic = .integer, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    spec = source.spec
    let loaded = try LoadedTensors(source, arithmetic, progress: progress)
    input = InputPass(
      table: try loaded.matrix(spec.embedding), factor: spec.embeddingScale, projection: try loaded.projection(spec.projectIn),
      positions: try loaded.matrixIfPresent(spec.positions?.table), offset: spec.positions?.offset ?? 0)
    layers = try spec.layers.map { (layer) throws(LMToolError) in try LayerWeights(layer, loaded) }
    output = OutputPass(
      norm: try loaded.normIfPresent(spec.finalNorm), projection: try loaded.projection(spec.projectOut),
      bias: try loaded.vectorIfPresent(spec.head.bias), factor: spec.logitScale, cap: spec.logitSoftcap)
    head = Projection([try loaded.matrix(spec.head.weight)], keepsPeaks: true)
  }

  /// In how many ways a product may want its activations coded at the same time.
  var codings: Int { (projections + [head]).reduce(1) { max($0, $1.codingCount) } }

  /// Those before the head.
  private var projections: [Projection] {
    let ends = [input.projection, output.projection].compactMap { $0 }
    return ends + layers.flatMap { [$0.queryKeyValue, $0.output, $0.gateUp, $0.down].map(\.projection) }
  }

  /// Bytes of weights in memory.
  public var weightBytes: Int {
    let tables = input.table.bytes + (input.positions?.bytes ?? 0) + (spec.isTied ? 0 : head.bytes)
    return projections.reduce(tables) { $0 + $1.bytes }
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
  let norms: BranchNorms
  let queryKeyValue: Linear
  let queryNorm: HeadNormPass?
  let keyNorm: HeadNormPass?
  let output: Linear
  let gateUp: Linear
  let down: Linear

  init(_ spec: LayerSpec, _ loaded: LoadedTensors) throws(LMToolError) {
    let attention = spec.attention
    norms = try BranchNorms(spec) { (norm) throws(LMToolError) in try loaded.norm(norm) }
    // Rounded activations harm attention and the logits most, three quarters of all that they cost SmolLM2's perplexity, and
    // by the outliers that a norm leaves in them: these inputs keep their peaks.
    queryKeyValue = try loaded.linear([attention.query, attention.key, attention.value], keepsPeaks: true)
    queryNorm = try loaded.headNorm(attention.queryNorm)
    keyNorm = try loaded.headNorm(attention.keyNorm)
    output = try loaded.linear([attention.output])
    gateUp = try loaded.linear(spec.mlp.inputs)
    down = try loaded.linear([spec.mlp.down])
  }
}
