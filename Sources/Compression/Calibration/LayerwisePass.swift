import Inference
import Kernels
import Models
import Tensors

/// Matrices of a layer that read the same input.
package struct MatrixGroup: Sendable {
  /// The layer, counted from 0.
  package var layer: Int
  /// Which of the inputs of the layer it reads.
  package var kind: Kind
  /// The matrices.
  package var linears: [LinearSpec]

  /// The inputs of a layer, in the order of computation.
  package enum Kind: String, Sendable, CaseIterable, Codable {
    case attentionInput = "attention_input"
    case attentionOutput = "attention_output"
    case mlpInput = "mlp_input"
    case mlpChannels = "mlp_channels"
  }

  /// Elements of the input.
  package var inputs: Int { linears[0].inputs }

  /// The groups of a layer, in the order of computation.
  package static func groups(of spec: LayerSpec, layer: Int) -> [MatrixGroup] {
    let attention = spec.attention, mlp = spec.mlp
    return [
      MatrixGroup(layer: layer, kind: .attentionInput, linears: [attention.query, attention.key, attention.value]),
      MatrixGroup(layer: layer, kind: .attentionOutput, linears: [attention.output]),
      MatrixGroup(layer: layer, kind: .mlpInput, linears: mlp.inputs),
      MatrixGroup(layer: layer, kind: .mlpChannels, linears: [mlp.down]),
    ]
  }
}

/// What happens at the matrices of a layerwise pass.
package protocol LayerwiseVisitor: AnyObject {
  /// A layer is next; returns the model to go on with where it is another one from here on, beside which the original runs too.
  func begin(layer: Int) throws(LMToolError) -> ModelSource?

  /// Whether the moments of the inputs of these matrices are wanted.
  func wantsMoments(of group: MatrixGroup) -> Bool

  /// Receives the moments of a group, where wanted, and may replace its matrices; the pass goes on with what it leaves.
  func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError)
}

extension LayerwiseVisitor {
  /// The model stays the same.
  package func begin(layer: Int) throws(LMToolError) -> ModelSource? { nil }
}

/// A model run over a calibration text layer by layer: all tokens pass a layer before any sees the next, so that only one layer is in
/// memory and its matrices can be replaced, knowing their inputs, before the text goes on. An original may run beside it.
package final class LayerwisePass {
  private var source: ModelSource
  private let windows: TokenWindows
  /// The model whose matrices are replaced.
  package let path: ResidualPath
  private let original: ResidualPath?
  private let batch: Int

  /// A pass that begins with the embedding [vocabulary, width], and beside it with that of the original where there is one.
  ///
  /// - Throws: `badInput` when learned positions cannot be read.
  package init(
    _ source: ModelSource, windows: TokenWindows, embedding: [Float], original: [Float]? = nil
  ) throws(LMToolError) {
    let input = try EmbeddingRunner(source)
    self.source = source
    self.windows = windows
    path = ResidualPath(source.spec, windows: windows)
    path.embed(windows.tokens, embedding, input)
    self.original = original.map { embedding in
      let path = ResidualPath(source.spec, windows: windows)
      path.embed(windows.tokens, embedding, input)
      return path
    }
    batch = ResidualPath.batch(window: windows.length)
  }

  /// Runs all layers.
  package func run(_ visitor: any LayerwiseVisitor, progress: ProgressConsumer? = nil) throws(LMToolError) {
    let layers = source.spec.layers
    for (index, layer) in layers.enumerated() {
      if let changed = try visitor.begin(layer: index) {
        source = changed
        original?.join(path)
      }
      try run(layer, index: index, visitor)
      progress?(ProgressUpdate(stage: "layers", done: index + 1, total: layers.count, unit: .passes))
    }
  }

  private func run(_ spec: LayerSpec, index: Int, _ visitor: any LayerwiseVisitor) throws(LMToolError) {
    let intact = try LayerMatrices(spec, of: source)
    var matrices = intact
    let layer = LayerRunner(intact, window: windows.length)
    let groups = MatrixGroup.groups(of: spec, layer: index)
    try visit(groups[0], visitor, &matrices) { path, _, batch in path.attentionInput(layer, batch) }
    try visit(groups[1], visitor, &matrices, isKept: true, intact) { path, matrices, batch in path.attend(layer, matrices, batch)
    }
    forEachBatch { batch in
      path.addAttention(layer, matrices, batch)
      original?.addAttention(layer, intact, batch)
    }
    try visit(groups[2], visitor, &matrices) { path, _, batch in path.mlpInput(layer, batch) }
    try visit(groups[3], visitor, &matrices, isKept: true, intact) { path, matrices, batch in
      path.activate(layer, matrices, batch)
    }
    forEachBatch { batch in
      path.addMLP(layer, matrices, batch)
      original?.addMLP(layer, intact, batch)
    }
  }

  /// Computes the inputs of a group, in batches, and hands their moments over. What `isKept` is computed for all tokens in any case, as the
  /// layer goes on from it.
  private func visit(
    _ group: MatrixGroup, _ visitor: any LayerwiseVisitor, _ matrices: inout LayerMatrices, isKept: Bool = false,
    _ intact: LayerMatrices? = nil, inputs: (ResidualPath, LayerMatrices, Range<Int>) -> UnsafePointer<Float>
  ) throws(LMToolError) {
    let moments = visitor.wantsMoments(of: group) ? Moments(size: group.inputs, hasOriginal: original != nil) : nil
    if moments != nil || isKept {
      forEachBatch { batch in
        let own = inputs(path, matrices, batch)
        let theirs = original.map { inputs($0, intact ?? matrices, batch) }
        moments?.add(own, original: theirs, count: batch.count)
      }
    }
    try visitor.visit(group, moments: moments, matrices: &matrices)
  }

  private func forEachBatch(_ body: (Range<Int>) -> Void) {
    let tokens = windows.tokens.count
    for start in stride(from: 0, to: tokens, by: batch) { body(start..<min(start + batch, tokens)) }
  }
}
