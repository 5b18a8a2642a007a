import Checkpoints
import Inference
import Models
import OrderedCollections
import Tensors

/// Prunes the matrices of a model on its way through a text, layer by layer: channels and heads that go hold zeros, the matrix that reads
/// them is fitted anew to what the original makes of its inputs, and matrices become sparse, all with the inputs that the pruned layers
/// before give.
package final class PruningPass: LayerwiseVisitor {
  /// What is done to a model.
  package struct Work {
    /// What is left of each of its layers.
    var kept: KeptParts
    /// Whether weights make up for what goes.
    var compensates: Bool
    /// Weights that become zero.
    var sparsity: Sparsity?

    /// What is done.
    package init(kept: KeptParts, compensates: Bool, sparsity: Sparsity?) {
      self.kept = kept
      self.compensates = compensates
      self.sparsity = sparsity
    }
  }

  /// What became of the matrices that were changed.
  package private(set) var tensors: [String: any TensorReader] = [:]
  /// What they lost.
  private(set) var losses: [PruningReport.Tensor] = []
  private let source: ModelSource
  private let work: Work
  private let folder: String
  private var changed: [(spec: TensorSpec, floats: [Float])] = []

  /// What moments are damped by, and how far the matrices aim at the outputs of the original.
  private static let damping = 0.01, follow: Float = 0.5

  /// - Parameters:
  ///   - kept: has a layer for each layer of `source`.
  ///   - folder: where matrices that were changed are kept until the model is written.
  package init(_ source: ModelSource, _ work: Work, folder: String) {
    self.source = source
    self.work = work
    self.folder = folder
  }

  /// Prunes all layers; with `windows` as they see this text, without by their weights alone.
  package func run(windows: TokenWindows?, progress: ProgressConsumer?) throws(LMToolError) {
    if let windows {
      let embedding = try LayerMatrices.floats(source.spec.embedding, of: source)
      let pass = try LayerwisePass(
        source, windows: windows, embedding: embedding, original: work.compensates ? embedding : nil)
      return try pass.run(self, progress: progress)
    }
    for (index, layer) in source.spec.layers.enumerated() {
      var matrices = try LayerMatrices(layer, of: source)
      for group in MatrixGroup.groups(of: layer, layer: index) { try visit(group, moments: nil, matrices: &matrices) }
      progress?(ProgressUpdate(stage: "layers", done: index + 1, total: source.spec.layers.count, unit: .passes))
    }
  }

  /// Moments are wanted where they choose zeros, or where a matrix loses inputs that the others make up for.
  package func wantsMoments(of group: MatrixGroup) -> Bool {
    work.sparsity?.method.needsMoments ?? false || work.compensates && keptInputs(of: group) != nil
  }

  /// Takes from the matrices of a group the inputs that go, fits what stays to the moments, and makes it sparse.
  package func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError) {
    try moments?.checkFinite(group)
    let kept = keptInputs(of: group)
    for linear in group.linears {
      let spec = linear.weight, before = matrices[spec]
      var floats = before
      if let kept {
        if work.compensates, let moments {
          floats = try moments.compensated(floats, keeping: kept, damping: Self.damping, follow: Self.follow)
        } else {
          floats = Self.only(kept, of: floats, inputs: group.inputs)
        }
      }
      if let sparsity = work.sparsity {
        do throws(LMToolError) {
          floats = try sparsity.apply(floats, rows: spec.shape[0], moment: moments?.mean)
        } catch {
          var error = error
          error.place = .tensor(spec.name)
          throw error
        }
      }
      guard kept != nil || work.sparsity != nil else { continue }
      matrices[spec] = floats
      changed.append((spec, floats))
      losses.append(.init(spec, before: before, after: floats, moment: moments?.mean, kept: kept))
    }
    if group.kind == .mlpChannels { try save(layer: group.layer) }
  }

  /// The inputs of a group that are left; nil where none goes.
  private func keptInputs(of group: MatrixGroup) -> [Int]? {
    let kept = work.kept.layers[group.layer], attention = source.spec.layers[group.layer].attention
    switch group.kind {
    case .attentionInput, .mlpInput: return nil
    case .attentionOutput:
      guard kept.groups.count < attention.keyValueHeads else { return nil }
      let size = attention.heads / attention.keyValueHeads * attention.headSize
      return kept.groups.flatMap { $0 * size..<($0 + 1) * size }
    case .mlpChannels: return kept.channels.count < group.inputs ? kept.channels : nil
    }
  }

  private static func only(_ kept: [Int], of matrix: [Float], inputs: Int) -> [Float] {
    var result = [Float](repeating: 0, count: matrix.count)
    for row in stride(from: 0, to: matrix.count, by: max(1, inputs)) {
      for input in kept { result[row + input] = matrix[row + input] }
    }
    return result
  }

  /// Writes what was changed of a layer into the work folder.
  private func save(layer: Int) throws(LMToolError) {
    guard !changed.isEmpty else { return }
    let path = folder + "/layer-\(layer).safetensors"
    let entries = changed.map { SafetensorsEntry(name: $0.spec.name, dtype: .f32, shape: $0.spec.shape) }
    let writer = try SafetensorsWriter(path: path, entries: entries)
    for tensor in changed { try writer.append(tensor.floats) }
    try writer.finish()
    let file = try SafetensorsFile(path: path)
    for (name, tensor) in file.tensors { tensors[name] = tensor }
    changed = []
  }
}

extension SafetensorsWriter {
  /// Appends elements of the current tensor.
  func append(_ floats: [Float]) throws(LMToolError) {
    var failure: LMToolError?
    floats.withUnsafeBufferPointer { floats in
      do throws(LMToolError) { try write(floats: floats) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
