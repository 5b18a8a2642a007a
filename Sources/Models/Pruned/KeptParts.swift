/// What is left of a model whose structure is pruned, by the numbers that the parts have in the original.
public struct KeptParts: Sendable, Equatable {
  /// What is left of a layer.
  public struct Layer: Sendable, Equatable {
    /// Its number in the original.
    public var index: Int
    /// Heads of keys and values, each with the query heads that share it; ascending.
    public var groups: [Int]
    /// Channels of the MLP; ascending.
    public var channels: [Int]
  }

  /// The layers that are left, in their order.
  public var layers: [Layer]
  /// The channels of the residual stream that are left, ascending; nil for all.
  public var width: [Int]?

  /// All of a model.
  public init(of spec: ModelSpec) {
    layers = spec.layers.enumerated().map { index, layer in
      Layer(
        index: index, groups: Array(0..<layer.attention.keyValueHeads), channels: Array(0..<layer.mlp.up.outputs))
    }
  }

  /// The sizes of a layer that is left of `spec`.
  func sizes(of layer: Layer, in spec: ModelSpec) -> LayerSizes {
    let attention = spec.layers[layer.index].attention
    return LayerSizes(
      heads: layer.groups.count * (attention.heads / attention.keyValueHeads), keyValueHeads: layer.groups.count,
      channels: layer.channels.count)
  }

  /// Which rows and columns of a tensor of layer `layer` of `spec` are left; nil for all.
  func selection(of tensor: TensorSpec, in spec: ModelSpec, layer: Layer?) -> (rows: [Int]?, columns: [Int]?) {
    guard let layer else { return outerSelection(of: tensor, in: spec) }
    let attention = spec.layers[layer.index].attention, shared = attention.heads / attention.keyValueHeads
    let hasAllGroups = layer.groups.count == attention.keyValueHeads
    func heads(_ each: Int) -> [Int]? {
      guard !hasAllGroups else { return nil }
      let size = each * attention.headSize
      return layer.groups.flatMap { $0 * size..<($0 + 1) * size }
    }
    let channels = layer.channels.count == spec.layers[layer.index].mlp.up.outputs ? nil : layer.channels
    let columns = tensor.isMatrix ? width : nil
    switch tensor.role {
    case .query: return (heads(shared), columns)
    case .key, .value: return (heads(1), columns)
    case .queryNorm: return (tensor.shape[0] == attention.headSize ? nil : heads(shared), nil)
    case .keyNorm: return (tensor.shape[0] == attention.headSize ? nil : heads(1), nil)
    case .attentionOutput: return (width, tensor.isMatrix ? heads(shared) : nil)
    case .gate, .up: return (channels, columns)
    case .down: return (width, tensor.isMatrix ? channels : nil)
    default: return (width, nil)
    }
  }

  /// The same of a tensor outside the layers.
  private func outerSelection(of tensor: TensorSpec, in spec: ModelSpec) -> (rows: [Int]?, columns: [Int]?) {
    let isProjected = spec.projectIn != nil
    switch tensor.role {
    case .embedding: return (nil, isProjected ? nil : width)
    case .head: return (nil, isProjected || !tensor.isMatrix ? nil : width)
    case .positions, .projectOut: return (nil, width)
    default: return (width, nil)
    }
  }
}
