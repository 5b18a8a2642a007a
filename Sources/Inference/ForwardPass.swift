import Kernels
import Models

/// Some tokens on their way through the layers. Products are parallel over outputs, attention over heads and tokens, and
/// everything in between over tokens; a single token stays on one thread there.
final class ForwardPass {
  /// Tokens that may go together.
  let batch: Int
  private let model: Transformer
  private let caches: [[HeadCache]]
  private let rotary: [RotaryTable]
  private let scratch: Scratch
  /// The tokens under way, and the position of the first.
  private var tokens = 0, position = 0

  /// Tokens of a tile of attention, which share what they read of the cache.
  private static let attentionTile = 32

  init(_ model: Transformer, batch: Int, capacity: Int, cache format: CacheFormat) {
    self.model = model
    self.batch = batch
    caches = model.spec.layers.map { layer in
      (0..<layer.attention.keyValueHeads).map { _ in
        HeadCache(format: format, size: layer.attention.headSize, capacity: capacity)
      }
    }
    var tables: [RotaryTable] = []
    rotary = model.spec.layers.map { layer in
      let (spec, size) = (layer.attention.rotary, layer.attention.headSize)
      if let known = tables.first(where: { $0.spec == spec && $0.headSize == size }) { return known }
      tables.append(RotaryTable(spec, headSize: size, positions: capacity))
      return tables[tables.count - 1]
    }
    scratch = Scratch(model.spec, batch: batch)
  }

  /// Bytes of cache for one position.
  var cacheBytesPerPosition: Int { caches.joined().reduce(0) { $0 + $1.bytesPerPosition } }

  /// Runs tokens of the vocabulary, at most `batch`, through all layers.
  func run(_ ids: ArraySlice<Int32>, at position: Int) {
    tokens = ids.count
    self.position = position
    let width = model.spec.width, first = ids.startIndex
    forEachToken { model.embedding.row(Int(ids[first + $0]), into: scratch.residual + $0 * width) }
    for layer in model.layers.indices {
      attention(layer)
      mlp(layer)
    }
  }

  /// Logits of the last `count` of the `ran` positions that were run last.
  func logits(_ count: Int, of ran: Int) -> Logits {
    guard count > 0 else { return Logits(UnsafeBufferPointer(start: nil, count: 0), owner: scratch) }
    let width = model.spec.width, start = scratch.residual + (ran - count) * width
    tokens = count
    forEachToken { token in
      norm(start + token * width, model.spec.finalNorm, model.finalNorm, token: token)
      prepare(token, for: model.head)
    }
    let logits = scratch.logits(count)
    model.head.multiply(scratch.activations, tokens: count, into: logits)
    return Logits(UnsafeBufferPointer(start: logits, count: count * model.spec.vocabularySize), owner: scratch)
  }

  // MARK: Layers

  private func attention(_ index: Int) {
    let spec = model.spec.layers[index], weights = model.layers[index], width = model.spec.width
    forEachToken { token in
      norm(scratch.residual + token * width, spec.attentionNorm, weights.attentionNorm, token: token)
      prepare(token, for: weights.queryKeyValue.projection)
    }
    multiply(weights.queryKeyValue)
    forEachToken { place($0, index) }
    attend(index)
    forEachToken { prepare($0, for: weights.output.projection) }
    multiply(weights.output)
    addToResidual(weights.output)
  }

  private func mlp(_ index: Int) {
    let spec = model.spec.layers[index], weights = model.layers[index], width = model.spec.width
    forEachToken { token in
      norm(scratch.residual + token * width, spec.mlpNorm, weights.mlpNorm, token: token)
      prepare(token, for: weights.gateUp.projection)
    }
    multiply(weights.gateUp)
    forEachToken { token in
      activate(token, spec.mlp, weights.gateUp)
      prepare(token, for: weights.down.projection)
    }
    multiply(weights.down)
    addToResidual(weights.down)
  }

  /// Rotates the queries and keys of a token and stores its keys and values in the cache.
  private func place(_ token: Int, _ index: Int) {
    let spec = model.spec.layers[index].attention, heads = caches[index], linear = model.layers[index].queryKeyValue
    let queries = scratch.outputs + token * linear.projection.outputs
    linear.addBias(queries)
    let (cosines, sines) = rotary[index].row(position + token)
    let keys = queries + spec.heads * spec.headSize, values = keys + spec.keyValueHeads * spec.headSize
    rotate(queries, heads: spec.heads + spec.keyValueHeads, size: spec.headSize, cosines: cosines, sines: sines)
    for head in 0..<spec.keyValueHeads {
      heads[head].store(position + token, key: keys + head * spec.headSize, value: values + head * spec.headSize)
    }
  }

  /// Attention of every head, into the activations.
  private func attend(_ index: Int) {
    let spec = model.spec.layers[index].attention
    let tiles = (tokens + Self.attentionTile - 1) / Self.attentionTile
    let shared = spec.heads / spec.keyValueHeads
    // A head of keys and values is read once for all its queries, unless threads would be left without work.
    let parts = spec.keyValueHeads * tiles % ThreadPool.shared.threads == 0 || tiles > 4 ? 1 : shared
    let tasks = tiles * spec.keyValueHeads * parts
    let isWorthwhile = tokens * spec.heads * spec.headSize * (position + tokens) > 40_000
    let pieces = isWorthwhile ? min(tasks, scratch.pieces) : 1
    ThreadPool.shared.forEach(pieces) { piece in
      for task in tasks * piece / pieces..<tasks * (piece + 1) / pieces {
        let tile = task % tiles, group = task / tiles
        attend(index, head: group * shared / parts, count: shared / parts, tile: tile, scratch: scratch.attention(piece))
      }
    }
  }

  /// `count` query heads from `head` on, which share a head of keys and values, for the tokens of a tile.
  private func attend(_ index: Int, head: Int, count: Int, tile: Int, scratch working: UnsafeMutableRawPointer) {
    let spec = model.spec.layers[index].attention, size = spec.headSize
    let first = tile * Self.attentionTile, width = spec.heads * size
    let stride = model.layers[index].queryKeyValue.projection.outputs
    caches[index][head * spec.keyValueHeads / spec.heads].attend(
      scratch.outputs + first * stride + head * size, stride: stride, heads: count,
      tokens: min(Self.attentionTile, tokens - first), position: position + first, window: spec.window, scale: spec.scale,
      softcap: nil, scratch: working, into: scratch.activations.floats + first * width + head * size, outputStride: width)
  }

  private func activate(_ token: Int, _ spec: MLPSpec, _ linear: Linear) {
    let channels = spec.gate.outputs
    let gate = scratch.outputs + token * linear.projection.outputs
    linear.addBias(gate)
    switch spec.activation {
    case .silu: siluProduct(gate, gate + channels, count: channels, into: scratch.activations.floats + token * channels)
    }
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

  /// Norm of one row, into the activations.
  private func norm(_ x: UnsafePointer<Float>, _ spec: NormSpec, _ weight: [Float], token: Int) {
    let output = scratch.activations.floats + token * weight.count
    switch spec.kind {
    case .rms: rmsNorm(x, weight: weight, epsilon: spec.epsilon, count: weight.count, tokens: 1, into: output)
    }
  }

  /// Codes the activations of one token if the product that follows reads codes.
  private func prepare(_ token: Int, for projection: Projection) {
    if projection.readsCodes { scratch.activations.code(token..<token + 1, inputs: projection.inputs) }
  }

  private func multiply(_ linear: Linear) {
    linear.projection.multiply(scratch.activations, tokens: tokens, into: scratch.outputs)
  }

  private func addToResidual(_ linear: Linear) {
    let width = model.spec.width
    forEachToken { token in
      let outputs = scratch.outputs + token * width
      linear.addBias(outputs)
      add(scratch.residual + token * width, outputs, count: width)
    }
  }
}
