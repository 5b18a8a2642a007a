import Kernels
import Models

/// Many texts of one model, one token of each at a time: the weights are read once for all of them, so that sampling many texts is many
/// times as fast as one after the other.
package final class LockstepPass: TokenPass {
  /// How many texts there are.
  package let texts: Int
  /// Tokens of every text so far.
  package private(set) var length = 0
  let model: Transformer
  let scratch: Scratch
  private let layers: [LayerPass]
  /// Of each layer: [texts, heads of keys and values].
  private let caches: [[HeadCache]]
  /// The layer under way.
  private var layer = 0
  private let working: UnsafeMutableRawPointer
  private let workingBytes: Int

  /// Bytes of keys and values of a text of `capacity` tokens.
  package static func bytes(_ spec: ModelSpec, capacity: Int) -> Int {
    spec.layers.reduce(0) { $0 + 2 * capacity * $1.attention.keyValueHeads * (($1.attention.headSize + 15) / 16 * 16) * 2 }
  }

  /// `texts` empty texts of up to `capacity` tokens.
  package init(_ model: Transformer, texts: Int, capacity: Int) {
    self.model = model
    self.texts = texts
    var tables: [RotaryTable] = []
    let isLong = model.spec.shortContext.map { capacity > $0 } ?? false
    let rotary = RotaryTable.tables(model.spec, positions: capacity, isLong: isLong, known: &tables)
    layers = model.layers.enumerated().map { index, weights in
      LayerPass(model.spec.layers[index], weights, capacity: 1, cache: .f16, rotary: rotary[index])
    }
    caches = layers.map { layer in
      (0..<texts * layer.keyValueHeads).map { _ in HeadCache(format: .f16, size: layer.headSize, capacity: capacity) }
    }
    scratch = Scratch(model, batch: texts)
    workingBytes = HeadCache.scratchBytes(size: layers.map(\.headSize).max() ?? 16)
    working = .allocate(byteCount: texts * workingBytes, alignment: 64)
  }

  deinit { working.deallocate() }

  /// Appends a token of the vocabulary to each text.
  ///
  /// - Returns: [texts][vocabulary], overwritten by the next call.
  package func run(_ ids: [Int32]) -> Logits {
    precondition(ids.count == texts, "every text gets one token")
    embed(ids[...])
    for index in layers.indices {
      layer = index
      run(layers[index])
    }
    length += 1
    let logits = scratch.logits(texts)
    computeLogits(of: scratch.residual, into: logits)
    return Logits(UnsafeBufferPointer(start: logits, count: texts * model.spec.vocabularySize), owner: scratch)
  }

  var tokens: Int { texts }

  func position(of token: Int) -> Int { length }

  func attend(_ layer: LayerPass) {
    let caches = caches[self.layer]
    forEachToken { text in
      attend(layer, caches, text)
      prepare(text, for: layer.output.projection)
    }
  }

  /// Stores keys and values of the newest token of a text, and attends with its queries, into the activations.
  private func attend(_ layer: LayerPass, _ caches: [HeadCache], _ text: Int) {
    let size = layer.headSize, groups = layer.keyValueHeads, shared = layer.heads / groups
    let queries = scratch.outputs + text * layer.queryKeyValue.projection.outputs
    layer.queryKeyValue.addBias(queries)
    let keys = queries + layer.heads * size, values = keys + groups * size
    layer.preparation.apply(queries: queries, keys: keys, position: length)
    let output = scratch.activations.floats + text * layer.heads * size
    for group in 0..<groups {
      let cache = caches[text * groups + group], offset = group * shared * size
      cache.store(length, key: keys + group * size, value: values + group * size)
      cache.attend(
        queries + offset, stride: layer.heads * size, heads: shared, tokens: 1, position: length, window: layer.window,
        scale: layer.scale, softcap: layer.softcap, scratch: working + text * workingBytes, into: output + offset,
        outputStride: layer.heads * size)
    }
  }

  func forEachToken(_ body: (Int) -> Void) { ThreadPool.shared.forEach(texts, body) }
}
