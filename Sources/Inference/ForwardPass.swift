import Kernels
import Models

/// Some tokens on their way through the layers. Products are parallel over outputs, attention over heads and tokens, and
/// everything in between over tokens; a single token stays on one thread there.
final class ForwardPass: TokenPass {
  /// Tokens that may go together.
  let batch: Int
  let model: Transformer
  let scratch: Scratch
  private let layers: [LayerPass]
  private let threads = ThreadPool.shared.threads
  private let capacity: Int
  private var tables: [RotaryTable] = []
  /// The tokens under way, and the position of the first.
  private(set) var tokens = 0
  private var position = 0

  /// Tokens of a tile of attention, which share what they read of the cache.
  private static let attentionTile = 32

  init(_ model: Transformer, batch: Int, capacity: Int, cache format: CacheFormat) {
    self.model = model
    self.batch = batch
    self.capacity = capacity
    let rotary = RotaryTable.tables(model.spec, positions: capacity, isLong: false, known: &tables)
    layers = model.layers.enumerated().map { index, weights in
      LayerPass(model.spec.layers[index], weights, capacity: capacity, cache: format, rotary: rotary[index])
    }
    scratch = Scratch(model, batch: batch)
  }

  /// Bytes of cache for one position.
  var cacheBytesPerPosition: Int { layers.flatMap(\.caches).reduce(0) { $0 + $1.bytesPerPosition } }

  /// Rotates what is run from now on as in texts within LongRoPE's original context, or as in longer ones.
  func rotate(asLong isLong: Bool) {
    let rotary = RotaryTable.tables(model.spec, positions: capacity, isLong: isLong, known: &tables)
    for (layer, table) in zip(layers, rotary) { layer.preparation.rotary = table }
  }

  /// Runs tokens of the vocabulary, at most `batch`, through all layers.
  func run(_ ids: ArraySlice<Int32>, at position: Int) {
    tokens = ids.count
    self.position = position
    embed(ids)
    for layer in layers { run(layer) }
  }

  /// Logits of the last `count` of the `ran` positions that were run last.
  func logits(_ count: Int, of ran: Int) -> Logits {
    guard count > 0 else { return Logits(UnsafeBufferPointer(start: nil, count: 0), owner: scratch) }
    tokens = count
    let logits = scratch.logits(count)
    computeLogits(of: scratch.residual + (ran - count) * model.spec.width, into: logits)
    return Logits(UnsafeBufferPointer(start: logits, count: count * model.spec.vocabularySize), owner: scratch)
  }

  func position(of token: Int) -> Int { position + token }

  // MARK: Attention

  func attend(_ layer: LayerPass) {
    forEachToken { place($0, layer) }
    attendAll(layer)
    forEachToken { prepare($0, for: layer.output.projection) }
  }

  /// Makes the queries and keys of a token what attention takes, and stores its keys and values in the cache.
  private func place(_ token: Int, _ layer: LayerPass) {
    let queries = scratch.outputs + token * layer.queryKeyValue.projection.outputs
    layer.queryKeyValue.addBias(queries)
    let keys = queries + layer.heads * layer.headSize, values = keys + layer.keyValueHeads * layer.headSize
    layer.preparation.apply(queries: queries, keys: keys, position: position + token)
    for head in 0..<layer.keyValueHeads {
      layer.caches[head].store(position + token, key: keys + head * layer.headSize, value: values + head * layer.headSize)
    }
  }

  /// Attention of every head, into the activations.
  private func attendAll(_ layer: LayerPass) {
    let tiles = (tokens + Self.attentionTile - 1) / Self.attentionTile
    let shared = layer.heads / layer.keyValueHeads
    // A head of keys and values is read once for all its queries, unless threads would be left without work.
    let parts = layer.keyValueHeads * tiles % threads == 0 || tiles > 4 ? 1 : shared
    let tasks = tiles * layer.keyValueHeads * parts
    let isWorthwhile = tokens * layer.heads * layer.headSize * (position + tokens) > 40_000
    let pieces = isWorthwhile ? min(tasks, scratch.pieces) : 1
    let job = AttentionJob(pass: self, layer: layer, heads: shared / parts, tasks: tasks, pieces: pieces)
    ThreadPool.shared.forEach(pieces, job) { job, piece in job!.assumingMemoryBound(to: AttentionJob.self).pointee.run(piece) }
  }

  /// The attention of a layer under way, in tasks of a few heads and a tile of tokens.
  private struct AttentionJob {
    let pass: ForwardPass
    let layer: LayerPass
    let heads: Int
    let tasks: Int
    let pieces: Int

    func run(_ piece: Int) {
      let groups = layer.heads / heads
      for task in tasks * piece / pieces..<tasks * (piece + 1) / pieces {
        pass.attend(
          layer, head: task % groups * heads, count: heads, tile: task / groups, scratch: pass.scratch.attention(piece))
      }
    }
  }

  /// `count` query heads from `head` on, which share a head of keys and values, for the tokens of a tile.
  private func attend(_ layer: LayerPass, head: Int, count: Int, tile: Int, scratch working: UnsafeMutableRawPointer) {
    let first = tile * Self.attentionTile, width = layer.heads * layer.headSize
    let stride = layer.queryKeyValue.projection.outputs, offset = head * layer.headSize
    layer.caches[head * layer.keyValueHeads / layer.heads].attend(
      scratch.outputs + first * stride + offset, stride: stride, heads: count, tokens: min(Self.attentionTile, tokens - first),
      position: position + first, window: layer.window, scale: layer.scale, softcap: layer.softcap, scratch: working,
      into: scratch.activations.floats + first * width + offset, outputStride: width)
  }

  func forEachToken(_ body: (Int) -> Void) {
    guard tokens > 1 else { return body(0) }
    let tokens = tokens, pieces = min(tokens, scratch.pieces)
    ThreadPool.shared.forEach(pieces) { piece in
      for token in tokens * piece / pieces..<tokens * (piece + 1) / pieces { body(token) }
    }
  }
}
