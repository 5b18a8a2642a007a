import Kernels
import Models

/// Some tokens on their way through the layers. Products are parallel over outputs, attention over heads and tokens, and
/// everything in between over tokens; a single token stays on one thread there.
final class ForwardPass {
  /// Tokens that may go together.
  let batch: Int
  private let model: Transformer
  private let width: Int
  private let layers: [LayerPass]
  private let finalNorm: NormPass
  private let scratch: Scratch
  private let threads = ThreadPool.shared.threads
  /// The tokens under way, and the position of the first.
  private var tokens = 0, position = 0

  /// Tokens of a tile of attention, which share what they read of the cache.
  private static let attentionTile = 32

  init(_ model: Transformer, batch: Int, capacity: Int, cache format: CacheFormat) {
    self.model = model
    self.batch = batch
    width = model.spec.width
    var tables: [RotaryTable] = []
    layers = zip(model.spec.layers, model.layers).map { spec, weights in
      let (rotary, size) = (spec.attention.rotary, spec.attention.headSize)
      let known = tables.first { $0.spec == rotary && $0.headSize == size }
      let table = known ?? RotaryTable(rotary, headSize: size, positions: capacity)
      if known == nil { tables.append(table) }
      return LayerPass(spec, weights, capacity: capacity, cache: format, rotary: table)
    }
    finalNorm = NormPass(model.spec.finalNorm, model.finalNorm)
    scratch = Scratch(model, batch: batch)
  }

  /// Bytes of cache for one position.
  var cacheBytesPerPosition: Int { layers.flatMap(\.caches).reduce(0) { $0 + $1.bytesPerPosition } }

  /// Runs tokens of the vocabulary, at most `batch`, through all layers.
  func run(_ ids: ArraySlice<Int32>, at position: Int) {
    tokens = ids.count
    self.position = position
    let first = ids.startIndex
    forEachToken { model.embedding.row(Int(ids[first + $0]), into: scratch.residual + $0 * width) }
    for layer in layers {
      attention(layer)
      mlp(layer)
    }
  }

  /// Logits of the last `count` of the `ran` positions that were run last.
  func logits(_ count: Int, of ran: Int) -> Logits {
    guard count > 0 else { return Logits(UnsafeBufferPointer(start: nil, count: 0), owner: scratch) }
    let start = scratch.residual + (ran - count) * width
    tokens = count
    forEachToken { token in
      finalNorm.apply(start + token * width, into: scratch.activations, row: token)
      prepare(token, for: model.head)
    }
    let logits = scratch.logits(count)
    model.head.multiply(scratch.activations, tokens: count, into: logits)
    return Logits(UnsafeBufferPointer(start: logits, count: count * model.spec.vocabularySize), owner: scratch)
  }

  // MARK: Layers

  private func attention(_ layer: LayerPass) {
    forEachToken { token in
      layer.attentionNorm.apply(scratch.residual + token * width, into: scratch.activations, row: token)
      prepare(token, for: layer.queryKeyValue.projection)
    }
    multiply(layer.queryKeyValue)
    forEachToken { place($0, layer) }
    attend(layer)
    forEachToken { prepare($0, for: layer.output.projection) }
    multiply(layer.output)
    addToResidual(layer.output)
  }

  private func mlp(_ layer: LayerPass) {
    forEachToken { token in
      layer.mlpNorm.apply(scratch.residual + token * width, into: scratch.activations, row: token)
      prepare(token, for: layer.gateUp.projection)
    }
    multiply(layer.gateUp)
    forEachToken { token in
      let gate = scratch.outputs + token * layer.gateUp.projection.outputs
      layer.gateUp.addBias(gate)
      let output = scratch.activations.floats + token * layer.channels
      activate(layer.activation, gate, gate + layer.channels, count: layer.channels, into: output)
      prepare(token, for: layer.down.projection)
    }
    multiply(layer.down)
    addToResidual(layer.down)
  }

  /// Rotates the queries and keys of a token and stores its keys and values in the cache.
  private func place(_ token: Int, _ layer: LayerPass) {
    let queries = scratch.outputs + token * layer.queryKeyValue.projection.outputs
    layer.queryKeyValue.addBias(queries)
    let (cosines, sines) = layer.rotary.row(position + token)
    let keys = queries + layer.heads * layer.headSize, values = keys + layer.keyValueHeads * layer.headSize
    rotate(queries, heads: layer.heads + layer.keyValueHeads, size: layer.headSize, cosines: cosines, sines: sines)
    for head in 0..<layer.keyValueHeads {
      layer.caches[head].store(position + token, key: keys + head * layer.headSize, value: values + head * layer.headSize)
    }
  }

  /// Attention of every head, into the activations.
  private func attend(_ layer: LayerPass) {
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
      position: position + first, window: layer.window, scale: layer.scale, softcap: nil, scratch: working,
      into: scratch.activations.floats + first * width + offset, outputStride: width)
  }

  // MARK: Steps

  /// Calls `body` for each token, in parallel when there are many.
  private func forEachToken(_ body: (Int) -> Void) {
    guard tokens > 1 else { return body(0) }
    let tokens = tokens, pieces = min(tokens, scratch.pieces)
    ThreadPool.shared.forEach(pieces) { piece in
      for token in tokens * piece / pieces..<tokens * (piece + 1) / pieces { body(token) }
    }
  }

  /// Codes the activations of one token if the product that follows reads codes.
  private func prepare(_ token: Int, for projection: Projection) {
    projection.prepare(scratch.activations, rows: token..<token + 1)
  }

  private func multiply(_ linear: Linear) {
    linear.projection.multiply(scratch.activations, tokens: tokens, into: scratch.outputs)
  }

  private func addToResidual(_ linear: Linear) {
    forEachToken { token in
      let outputs = scratch.outputs + token * width
      linear.addBias(outputs)
      add(scratch.residual + token * width, outputs, count: width)
    }
  }
}
