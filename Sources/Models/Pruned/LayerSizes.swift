import Tensors

/// The sizes that layers of a pruned model need not share (MODEL-13).
public struct LayerSizes: Sendable, Hashable {
  /// Query heads.
  public var heads: Int
  /// Key-value heads; divides `heads`.
  public var keyValueHeads: Int
  /// Channels of the MLP.
  public var channels: Int

  /// Sizes of a layer.
  public init(heads: Int, keyValueHeads: Int, channels: Int) {
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.channels = channels
  }

  /// The sizes that a layer has.
  public init(_ layer: LayerSpec) {
    self.init(
      heads: layer.attention.heads, keyValueHeads: layer.attention.keyValueHeads, channels: layer.mlp.up.outputs)
  }

  /// As `config.json` has them.
  var json: JSONValue {
    .object(["heads": .int(heads), "key_value_heads": .int(keyValueHeads), "channels": .int(channels)])
  }
}

extension Configuration {
  /// The key of what only lmtool understands.
  static let pruned = "lmtool"

  /// `lmtool.head_dim` (MODEL-13); nil where it is absent.
  func prunedHeadSize() throws(LMToolError) -> Int? {
    guard let value = try prunedParts()?["head_dim"] else { return nil }
    guard let size = value.int, (2...65536).contains(size) else {
      throw refusePruned("head_dim must be an integer from 2 to 65536")
    }
    return size
  }

  /// The sizes of all layers: `lmtool.layers` (MODEL-13), or those of the whole model for each.
  func layerSizes(count: Int, whole: LayerSizes) throws(LMToolError) -> [LayerSizes] {
    guard let value = try prunedParts()?["layers"] else { return Array(repeating: whole, count: count) }
    guard let layers = value.array, layers.count == count else {
      throw refusePruned("layers must have an object for each of the \(count) layers")
    }
    var sizes: [LayerSizes] = []
    for (index, layer) in layers.enumerated() {
      func number(_ key: String, most: Int) throws(LMToolError) -> Int {
        guard let number = layer[key]?.int, (1...most).contains(number) else {
          throw refusePruned("\(key) of layer \(index) must be an integer from 1 to \(most), that of the whole model")
        }
        return number
      }
      let size = LayerSizes(
        heads: try number("heads", most: whole.heads),
        keyValueHeads: try number("key_value_heads", most: whole.keyValueHeads),
        channels: try number("channels", most: whole.channels))
      guard size.heads % size.keyValueHeads == 0 else {
        throw refusePruned(
          "key_value_heads of layer \(index) is \(size.keyValueHeads), which does not divide its \(size.heads) heads")
      }
      sizes.append(size)
    }
    return sizes
  }

  /// The object `lmtool`; nil where it is absent or null.
  private func prunedParts() throws(LMToolError) -> [String: JSONValue]? {
    guard let value = json[Self.pruned] else { return nil }
    guard let parts = value.object else { throw refusePruned("it must be an object") }
    return parts
  }

  private func refusePruned(_ message: String) -> LMToolError {
    LMToolError(.badInput, message, file: file, at: .key(Self.pruned), rule: "MODEL-13")
  }
}
