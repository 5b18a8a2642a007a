import OrderedCollections

/// Tensors by layer and kind: "model.layers.3.mlp.up_proj.weight" is the up_proj of layer 3.
package struct LayerLayout {
  /// The layers, ascending.
  package let layers: [Int]
  /// The kinds, in the order in which they come.
  package let kinds: [String]
  /// The index of the tensor of each layer and kind; nil where there is none.
  package let rows: [[Int?]]
  /// The indices of tensors that belong to no layer.
  package let others: [Int]

  /// The layout of tensors with these names.
  package init(names: [String]) {
    var places: [Int: [String: Int]] = [:], kinds: OrderedSet<String> = [], others: [Int] = []
    for (index, name) in names.enumerated() {
      guard let (layer, kind) = Self.place(name), places[layer]?[kind] == nil else {
        others.append(index)
        continue
      }
      places[layer, default: [:]][kind] = index
      kinds.append(kind)
    }
    layers = places.keys.sorted()
    self.kinds = Array(kinds)
    self.others = others
    rows = layers.map { layer in kinds.map { places[layer]?[$0] } }
  }

  private static func place(_ name: String) -> (layer: Int, kind: String)? {
    var parts = name.split(separator: ".")
    guard let at = parts.firstIndex(of: "layers"), at + 2 < parts.count, let layer = Int(parts[at + 1]) else { return nil }
    if parts.last == "weight", parts.count > at + 3 { parts.removeLast() }
    // The module says nothing that the matrix does not: self_attn.q_proj is the q_proj.
    let kind = parts.count == at + 4 ? parts[(at + 3)...] : parts[(at + 2)...]
    return (layer, kind.joined(separator: "."))
  }
}
