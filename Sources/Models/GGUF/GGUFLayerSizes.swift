import Tensors

/// The sizes of the layers that a file describes (GGUF-16, GGUF-17).
struct GGUFLayerSizes {
  /// Those of a layer that is as large as any in everything.
  let whole: LayerSizes
  /// Those of the first layer.
  let first: LayerSizes
  /// Those of all layers, where they differ.
  let differing: [LayerSizes]?

  /// Reads what the file says of so many layers.
  ///
  /// - Throws: `badInput` (MODEL-2, GGUF-16, GGUF-17) naming the key.
  init(_ model: GGUFModel, layers: Int, mayDiffer: Bool) throws(LMToolError) {
    let shared = "attention.head_count_kv"
    let heads = try model.sizes("attention.head_count", layers: layers)
    let groups = model.value(shared) == nil ? heads : try model.sizes(shared, layers: layers)
    let channels = try model.sizes("feed_forward_length", layers: layers)
    let count = [heads, groups, channels].map(\.count).max() ?? 1
    let sizes = (0..<count).map { layer in
      LayerSizes(
        heads: heads[min(layer, heads.count - 1)], keyValueHeads: groups[min(layer, groups.count - 1)],
        channels: channels[min(layer, channels.count - 1)])
    }
    first = sizes[0]
    guard count > 1 else {
      whole = first
      differing = nil
      return
    }
    guard mayDiffer else {
      throw model.refuse(
        "block_count", "its layers differ in size, which llama.cpp knows of the architecture deci alone", rule: "GGUF-17")
    }
    for (layer, size) in sizes.enumerated() where size.heads % size.keyValueHeads != 0 {
      throw model.refuse(
        shared, "the \(size.keyValueHeads) of layer \(layer) do not divide its \(size.heads) heads", rule: "GGUF-16")
    }
    let most = sizes.map(\.keyValueHeads).max() ?? 1, needed = sizes.map(\.heads).max() ?? 1
    whole = LayerSizes(
      heads: (needed + most - 1) / most * most, keyValueHeads: most, channels: sizes.map(\.channels).max() ?? 1)
    differing = sizes
  }
}
