import OrderedCollections
import Tensors

/// Meta's names of the tensors of a LLaMA, and its order of the rows of queries and keys.
enum MetaNames {
  /// The tensors of a layer and those around the layers, by role.
  private static let names: [TensorRole: String] = [
    .attentionNorm: "attention_norm", .query: "attention.wq", .key: "attention.wk", .value: "attention.wv",
    .attentionOutput: "attention.wo", .mlpNorm: "ffn_norm", .gate: "feed_forward.w1", .up: "feed_forward.w3",
    .down: "feed_forward.w2", .embedding: "tok_embeddings", .finalNorm: "norm", .head: "output",
  ]
  /// Tables that follow from the configuration.
  private static let derived: Set<String> = ["rope.freqs", "freqs_cos", "freqs_sin"]

  /// Whether tensors have these names.
  static func areThose(of tensors: OrderedDictionary<String, any TensorReader>) -> Bool {
    tensors["tok_embeddings.weight"] != nil && tensors["layers.0.attention.wq.weight"] != nil
  }

  /// The tensors of `spec`, cut from those of Meta's names, and the names of tensors that are left over.
  ///
  /// - Throws: `missingInput` (MODEL-3), `badInput` (MODEL-4).
  static func cut(
    _ stored: OrderedDictionary<String, any TensorReader>, _ spec: ModelSpec, path: String
  ) throws(LMToolError) -> (tensors: OrderedDictionary<String, any TensorReader>, unused: [String]) {
    var checkpoint = CheckpointTensors(stored, path: path)
    let tensors = try checkpoint.cut(spec) { [slice(of: $0, in: spec)] }
    let head = names[.head].map { $0 + ".weight" }
    let unused = checkpoint.unused.filter { !derived.contains($0) && !(spec.isTied && $0 == head) }
    return (tensors, unused)
  }

  /// Where a tensor lies: rows of queries and keys are in interleaved rotary order.
  private static func slice(of tensor: TensorSpec, in spec: ModelSpec) -> TensorSlice {
    let prefix = tensor.layer.map { "layers.\($0)." } ?? ""
    var slice = TensorSlice(prefix + (names[tensor.role] ?? tensor.role.rawValue) + ".weight", shape: tensor.shape)
    if let layer = tensor.layer, tensor.role.isRotated {
      slice.order = .halfFromInterleaved(headSize: spec.layers[layer].attention.headSize)
    }
    return slice
  }
}
