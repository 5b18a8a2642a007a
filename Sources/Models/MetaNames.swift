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

  /// The tensors under the names of `spec`, rows of queries and keys in the order of halves; others keep their names.
  static func renamed(
    _ stored: OrderedDictionary<String, any TensorReader>, spec: ModelSpec
  ) -> OrderedDictionary<String, any TensorReader> {
    var rest = stored.filter { !derived.contains($0.key) }
    var tensors: OrderedDictionary<String, any TensorReader> = [:]
    for needed in spec.tensors {
      let prefix = needed.layer.map { "layers.\($0)." } ?? ""
      guard let name = names[needed.role].map({ prefix + $0 + ".weight" }), let tensor = rest.removeValue(forKey: name) else {
        continue
      }
      if let layer = needed.layer, needed.role.isRotated {
        let order = RowOrder.halfFromInterleaved(headSize: spec.layers[layer].attention.headSize)
        tensors[needed.name] = ReorderedTensor(base: tensor, name: needed.name, order: order)
      } else {
        tensors[needed.name] = RenamedTensor(base: tensor, name: needed.name)
      }
    }
    if spec.isTied { rest["output.weight"] = nil }
    return tensors.merging(rest) { first, _ in first }
  }
}
