import Kernels
import Models
import Tensors

/// One text in progress: the cache of keys and values, and the forward pass.
///
/// Tokens may come one by one or many at once; the logits are the same to the bit, and so they are for any number of
/// threads and any instruction set.
public final class Session {
  /// Which positions to compute logits for.
  public enum Wanted: Sendable {
    /// None: the tokens only enter the cache.
    case none
    /// The last position.
    case last
    /// Every position; at most `Session.batch` tokens at a time.
    case all
  }

  /// Tokens that pass through the layers together.
  public static let batch = 128

  /// The model.
  public let model: Transformer
  /// Positions that the cache can hold.
  public let capacity: Int
  /// Tokens in the cache.
  public private(set) var length = 0
  private let caches: [[HeadCache]]
  private let rotary: [RotaryTable]
  private let scratch: Scratch

  /// A session for texts of up to `capacity` tokens.
  public init(_ model: Transformer, capacity: Int, cache format: CacheFormat = .f32) {
    self.model = model
    self.capacity = max(1, capacity)
    let rows = self.capacity
    caches = model.spec.layers.map { layer in
      (0..<layer.attention.keyValueHeads).map { _ in HeadCache(format: format, size: layer.attention.headSize, capacity: rows) }
    }
    var tables: [RotaryTable] = []
    rotary = model.spec.layers.map { layer in
      let (spec, size) = (layer.attention.rotary, layer.attention.headSize)
      if let known = tables.first(where: { $0.spec == spec && $0.headSize == size }) { return known }
      tables.append(RotaryTable(spec, headSize: size, positions: rows))
      return tables[tables.count - 1]
    }
    scratch = Scratch(model.spec, batch: min(Self.batch, rows), capacity: rows)
  }

  /// Bytes of cache for one position.
  public var cacheBytesPerPosition: Int { caches.joined().reduce(0) { $0 + $1.bytesPerPosition } }

  /// Forgets everything from position `length` on.
  public func truncate(to length: Int) {
    precondition((0...self.length).contains(length), "a session can only be shortened")
    self.length = length
  }

  /// Runs tokens through the model and appends them to the cache.
  ///
  /// - Returns: [positions asked for][vocabulary], overwritten by the next call.
  /// - Throws: `usage` when a token is not in the vocabulary or the cache is full.
  @discardableResult
  public func forward(_ tokens: some Collection<Int32>, logits: Wanted = .last) throws(LMToolError) -> Logits {
    let tokens = Array(tokens)
    try check(tokens)
    var start = 0
    while start < tokens.count {
      let end = min(start + scratch.batch, tokens.count)
      run(tokens[start..<end])
      start = end
    }
    let asked = logits == .none ? 0 : logits == .last ? min(1, tokens.count) : tokens.count
    precondition(asked <= scratch.batch, "logits of at most \(scratch.batch) positions at a time")
    let last = (tokens.count - 1) % scratch.batch + 1
    return project(asked, of: last)
  }

  private func check(_ tokens: [Int32]) throws(LMToolError) {
    guard length + tokens.count <= capacity else {
      throw LMToolError(.usage, "\(length + tokens.count) tokens do not fit a context of \(capacity); raise --ctx-size")
    }
    if let bad = tokens.first(where: { $0 < 0 || $0 >= model.spec.vocabularySize }) {
      throw LMToolError(.usage, "there is no token \(bad); the vocabulary has \(model.spec.vocabularySize) tokens")
    }
  }

  private func run(_ tokens: ArraySlice<Int32>) {
    let count = tokens.count, width = model.spec.width
    for (index, token) in tokens.enumerated() { model.embedding.row(Int(token), into: scratch.residual + index * width) }
    for layer in model.layers.indices {
      attention(layer, tokens: count)
      mlp(layer, tokens: count)
    }
    length += count
  }

  private func attention(_ index: Int, tokens: Int) {
    let spec = model.spec.layers[index], weights = model.layers[index], width = model.spec.width
    norm(scratch.residual, spec.attentionNorm, weights.attentionNorm, tokens: tokens, into: scratch.normed)
    weights.query.apply(scratch.normed, tokens: tokens, into: scratch.queries)
    weights.key.apply(scratch.normed, tokens: tokens, into: scratch.keys)
    weights.value.apply(scratch.normed, tokens: tokens, into: scratch.values)
    place(index, tokens: tokens)
    attend(index, tokens: tokens)
    weights.output.apply(scratch.attended, tokens: tokens, into: scratch.normed)
    add(scratch.residual, scratch.normed, count: tokens * width)
  }

  /// Rotates queries and keys and stores keys and values in the cache.
  private func place(_ index: Int, tokens: Int) {
    let spec = model.spec.layers[index].attention, table = rotary[index], heads = caches[index]
    let queryWidth = spec.heads * spec.headSize, keyWidth = spec.keyValueHeads * spec.headSize
    for token in 0..<tokens {
      let (cosines, sines) = table.row(length + token)
      let keys = scratch.keys + token * keyWidth, values = scratch.values + token * keyWidth
      rotate(scratch.queries + token * queryWidth, heads: spec.heads, size: spec.headSize, cosines: cosines, sines: sines)
      rotate(keys, heads: spec.keyValueHeads, size: spec.headSize, cosines: cosines, sines: sines)
      for head in 0..<spec.keyValueHeads {
        heads[head].store(length + token, key: keys + head * spec.headSize, value: values + head * spec.headSize)
      }
    }
  }

  private func attend(_ index: Int, tokens: Int) {
    let spec = model.spec.layers[index].attention, heads = caches[index]
    let tasks = tokens * spec.heads
    let isWorthwhile = tasks * (length + tokens) * spec.headSize > 40_000
    let pieces = isWorthwhile ? min(tasks, scratch.attentionPieces) : 1
    ThreadPool.shared.forEach(pieces) { piece in
      for task in tasks * piece / pieces..<tasks * (piece + 1) / pieces {
        let token = task / spec.heads, head = task % spec.heads
        attend(spec, to: heads[head * spec.keyValueHeads / spec.heads], token: token, head: head, piece: piece)
      }
    }
  }

  /// One query head of one token.
  private func attend(_ spec: AttentionSpec, to cache: HeadCache, token: Int, head: Int, piece: Int) {
    let position = length + token, size = spec.headSize
    let first = spec.window.map { max(0, position + 1 - $0) } ?? 0
    let at = token * spec.heads * size + head * size
    let (scores, query, output) = scratch.attention(piece)
    query.update(from: scratch.queries + at, count: size)
    cache.attend(query, over: first..<position + 1, scale: spec.scale, scores: scores, into: output)
    (scratch.attended + at).update(from: output, count: size)
  }

  private func mlp(_ index: Int, tokens: Int) {
    let spec = model.spec.layers[index], weights = model.layers[index], width = model.spec.width
    norm(scratch.residual, spec.mlpNorm, weights.mlpNorm, tokens: tokens, into: scratch.normed)
    weights.gate.apply(scratch.normed, tokens: tokens, into: scratch.gate)
    weights.up.apply(scratch.normed, tokens: tokens, into: scratch.up)
    activate(spec.mlp.activation, count: tokens * spec.mlp.gate.outputs)
    weights.down.apply(scratch.gate, tokens: tokens, into: scratch.normed)
    add(scratch.residual, scratch.normed, count: tokens * width)
  }

  private func activate(_ activation: MLPSpec.Activation, count: Int) {
    switch activation {
    case .silu:
      let pieces = max(1, min(4 * ThreadPool.shared.threads, count / 16384))
      ThreadPool.shared.forEach(pieces) { piece in
        let start = count * piece / pieces / 16 * 16, end = piece + 1 == pieces ? count : count * (piece + 1) / pieces / 16 * 16
        siluProduct(scratch.gate + start, scratch.up + start, count: end - start)
      }
    }
  }

  private func norm(
    _ x: UnsafePointer<Float>, _ spec: NormSpec, _ weight: [Float], tokens: Int, into output: UnsafeMutablePointer<Float>
  ) {
    switch spec.kind {
    case .rms: rmsNorm(x, weight: weight, epsilon: spec.epsilon, count: weight.count, tokens: tokens, into: output)
    }
  }

  /// Logits of the last `count` of the `tokens` positions that were run last.
  private func project(_ count: Int, of tokens: Int) -> Logits {
    guard count > 0 else { return Logits(UnsafeBufferPointer(start: nil, count: 0), owner: scratch) }
    let start = scratch.residual + (tokens - count) * model.spec.width
    norm(start, model.spec.finalNorm, model.finalNorm, tokens: count, into: scratch.normed)
    let logits = scratch.logits(count)
    model.head.multiply(scratch.normed, tokens: count, into: logits)
    return Logits(UnsafeBufferPointer(start: logits, count: count * model.spec.vocabularySize), owner: scratch)
  }
}
