import Tensors

/// Where Hugging Face checkpoints of a family hold the tensors of a model.
struct CheckpointNaming {
  /// How queries, keys and values lie in one stored tensor.
  enum Fusion {
    /// Each is a tensor of its own.
    case separate
    /// All queries, then all keys, then all values.
    case rows
    /// Query, key and value of the first head, then those of the second.
    case heads
  }
  /// How norms of queries and keys that have a weight for each head are stored.
  enum HeadNorms {
    /// As vectors.
    case vector
    /// As matrices [heads, elements of a head].
    case matrix
    /// Each head's by itself, under "NAME.norms.HEAD".
    case separate
  }

  /// Names without ".weight" and ".bias"; "#" stands for the layer. Roles that are not here have the names of LLaMA.
  var stems: [TensorRole: String] = [:]
  /// How queries, keys and values lie in the tensor that their stems name.
  var queryKeyValue = Fusion.separate
  /// Whether gate and up lie in one tensor, the gate first.
  var fusesGateUp = false
  /// Whether the matrices of the layers are stored as [inputs, outputs].
  var isTransposed = false
  /// Whether rows of queries and keys that are rotated together are neighbours.
  var interleavesRotary = false
  /// How norms with a weight for each head are stored.
  var headNorms = HeadNorms.vector
  /// The number of the first layer.
  var firstLayer = 0

  /// Names of LLaMA's checkpoints with others in their place.
  init(_ stems: [TensorRole: String] = [:]) { self.stems = stems }

  /// Where a tensor of a plan lies.
  func slices(of tensor: TensorSpec, plan: SpecPlan) -> [TensorSlice] {
    let suffix = tensor.isBias ? ".bias" : ".weight"
    let stem = stems[tensor.role].map { numbered($0, tensor.layer) }
    let name = stem.map { $0 + suffix } ?? tensor.name
    if tensor.role == .queryNorm || tensor.role == .keyNorm {
      return headNormSlices(of: tensor, stem: stem ?? String(tensor.name.dropLast(suffix.count)), suffix, plan)
    }
    var slice = fused(tensor, name, plan) ?? TensorSlice(name, shape: tensor.shape)
    if isTransposed, tensor.layer != nil, tensor.isMatrix { slice = slice.transposed }
    if tensor.role.isRotated { slice.order = order(in: tensor, plan) }
    return [slice]
  }

  /// The place of a tensor that shares a stored one with others.
  private func fused(_ tensor: TensorSpec, _ name: String, _ plan: SpecPlan) -> TensorSlice? {
    guard let layer = tensor.layer else { return nil }
    let size = plan.sizes[layer], queries = size.heads * plan.headSize, keys = size.keyValueHeads * plan.headSize
    func rows(_ parts: [TensorRole: Int], of total: Int) -> TensorSlice? {
      parts[tensor.role].map {
        TensorSlice(name, shape: [total] + tensor.shape.dropFirst(), first: $0, rows: tensor.shape[0])
      }
    }
    switch (tensor.role, queryKeyValue) {
    case (.query, .rows), (.key, .rows), (.value, .rows):
      return rows([.query: 0, .key: queries, .value: queries + keys], of: queries + 2 * keys)
    case (.query, .heads), (.key, .heads), (.value, .heads):
      let part = tensor.role == .query ? 0 : tensor.role == .key ? 1 : 2
      return TensorSlice(
        name, shape: [3 * queries] + tensor.shape.dropFirst(), part: part, of: 3, headSize: plan.headSize)
    case (.gate, _), (.up, _):
      return fusesGateUp ? rows([.gate: 0, .up: size.channels], of: 2 * size.channels) : nil
    default: return nil
    }
  }

  private func headNormSlices(of tensor: TensorSpec, stem: String, _ suffix: String, _ plan: SpecPlan) -> [TensorSlice] {
    let heads = tensor.shape[0] / plan.headSize
    guard headNorms != .separate || heads == 1 else {
      return (0..<heads).map { TensorSlice("\(stem).norms.\($0)" + suffix, shape: [plan.headSize]) }
    }
    var slice = TensorSlice(stem + suffix, shape: tensor.shape)
    if headNorms == .matrix { slice.shape = [heads, plan.headSize] }
    slice.order = order(in: tensor, plan)
    return [slice]
  }

  private func order(in tensor: TensorSpec, _ plan: SpecPlan) -> RowOrder? {
    guard interleavesRotary, let layer = tensor.layer, let rotary = plan.rotary[layer] else { return nil }
    return .halfFromInterleaved(headSize: plan.headSize, rotated: rotary.size)
  }

  private func numbered(_ stem: String, _ layer: Int?) -> String {
    guard let layer, let mark = stem.firstIndex(of: "#") else { return stem }
    return stem[..<mark] + String(firstLayer + layer) + stem[stem.index(after: mark)...]
  }
}
