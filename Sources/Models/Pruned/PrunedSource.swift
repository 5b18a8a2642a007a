import OrderedCollections
import Tensors

extension ModelSource {
  /// Whether `transformers` knows what the configuration says: nothing of it is only lmtool's (MODEL-13).
  public var isPlain: Bool { config[Configuration.pruned] == nil }

  /// The model with less of its structure; nothing is copied, what is left is read when it is asked for.
  ///
  /// - Parameter changed: tensors in the place of the model's own, of the same names and shapes.
  /// - Throws: `usage` when the family has no words for what is left (MODEL-14).
  public func pruned(
    to kept: KeptParts, replacing changed: [String: any TensorReader] = [:]
  ) throws(LMToolError) -> ModelSource {
    let config = PrunedConfiguration.json(config, spec, kept)
    let pruned = try Architectures.spec(of: Configuration(config, file: path))
    for (layer, old) in zip(pruned.layers, kept.layers) { try check(layer, old, pruned) }
    guard pruned.embeddingScale == spec.embeddingScale, pruned.logitScale == spec.logitScale else {
      throw refuse("embeddings are multiplied with a number that follows from the width")
    }
    var result = self
    result.config = config
    result.spec = pruned
    result.tensors = [:]
    var pairs = Array(zip(pruned.layers, kept.layers)).flatMap { layer, old in
      zip(layer.tensors, spec.layers[old.index].tensors).map { (new: $0, old: $1, layer: Optional(old)) }
    }
    let outer = zip(pruned.tensors.filter { $0.layer == nil }, spec.tensors.filter { $0.layer == nil })
    pairs += outer.map { (new: $0, old: $1, layer: nil) }
    var found: [String: any TensorReader] = [:]
    for (new, old, layer) in pairs {
      let base: any TensorReader
      if let other = changed[old.name] { base = other } else { base = try tensor(old) }
      let (rows, columns) = kept.selection(of: old, in: spec, layer: layer)
      let isSame = rows == nil && columns == nil && new.name == old.name
      let reader = isSame ? base : SelectedElements(base: base, name: new.name, rows: rows, columns: columns)
      guard reader.shape == new.shape else {
        throw LMToolError(.bug, "\(reader.shape) is left where there should be \(new.shape)", at: .tensor(new.name))
      }
      found[new.name] = reader
    }
    for tensor in pruned.tensors { result.tensors[tensor.name] = found[tensor.name] }
    return result
  }

  /// Refuses a layer that the configuration describes otherwise than it was, but for its sizes (MODEL-14).
  private func check(_ new: LayerSpec, _ kept: KeptParts.Layer, _ model: ModelSpec) throws(LMToolError) {
    let old = spec.layers[kept.index], a = new.attention, b = old.attention
    let isSame =
      new.arrangement == old.arrangement && new.residualScale == old.residualScale && a.headSize == b.headSize
      && a.scale == b.scale && a.softcap == b.softcap && a.rotary == b.rotary && a.window == b.window
      && a.queryScaling == b.queryScaling && new.mlp.activation == old.mlp.activation
    guard isSame else { throw refuse("layer \(kept.index) would not be computed as it was") }
    let isWholeRow = b.queryNorm.map { $0.size > b.headSize } ?? false
    guard !isWholeRow || a.heads == b.heads else { throw refuse("its norms of queries and keys are over all heads together") }
  }

  private func refuse(_ reason: String) -> LMToolError {
    LMToolError(
      .usage, "a model of the family \(config["model_type"]?.string?.printable ?? "given") cannot be pruned like this: \(reason)",
      file: path, rule: "MODEL-14")
  }

  /// The model with heads and channels of zeros in the place of those that are missing, so that all layers have the sizes of the largest
  /// and `transformers` opens it (MODEL-15).
  ///
  /// - Throws: `usage` when zeros would not leave the model as it is.
  public func padded() throws(LMToolError) -> ModelSource {
    guard var members = config.object, let own = members[Configuration.pruned] else { return self }
    guard own["head_dim"] == nil else {
      throw LMToolError(
        .usage, "zeros do not make up for missing channels of the width: heads would have another size", file: path,
        rule: "MODEL-15")
    }
    members[Configuration.pruned] = nil
    var result = self
    result.config = .object(members)
    result.spec = try Architectures.spec(of: Configuration(result.config, file: path))
    for (layer, whole) in zip(spec.layers, result.spec.layers) {
      let shared = layer.attention.heads / layer.attention.keyValueHeads
      guard shared == whole.attention.heads / whole.attention.keyValueHeads else {
        throw LMToolError(
          .usage, "layers share keys and values among different numbers of heads", file: path, rule: "MODEL-15")
      }
      guard layer.attention.heads == whole.attention.heads || layer.attention.queryNorm?.size ?? 0 <= layer.attention.headSize
      else {
        throw LMToolError(
          .usage, "zeros would change the norms of queries and keys, which are over all heads", file: path, rule: "MODEL-15")
      }
      for (tensor, wider) in zip(layer.tensors, whole.tensors) where tensor.shape != wider.shape {
        func all(_ dimension: Int) -> [Int]? {
          guard dimension < tensor.shape.count, tensor.shape[dimension] != wider.shape[dimension] else { return nil }
          return (0..<wider.shape[dimension]).map { $0 < tensor.shape[dimension] ? $0 : -1 }
        }
        result.tensors[tensor.name] = SelectedElements(
          base: try self.tensor(tensor), name: tensor.name, rows: all(0), columns: tensor.isMatrix ? all(1) : nil)
      }
    }
    return result
  }
}
