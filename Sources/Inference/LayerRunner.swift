import Kernels
import Models

/// Runs one layer, step by step, over many windows of text at once, so that a caller can see, and change, what enters and leaves every
/// matrix. Texts start at position 0 of each window.
///
/// The steps, with h the residual stream: x = `attentionInput`(h); q, k, v = W x; o = `attention`(q, k, v); `addAttention`(W o, h);
/// x = `mlpInput`(h); g, u = W x; y = `mlpChannels`(g, u); `addMLP`(W y, h). Where `isParallel`, the MLP's input is that of h before
/// attention was added.
public final class LayerRunner {
  /// What the layer is.
  public let spec: LayerSpec
  /// Tokens of a window.
  public let window: Int
  /// Elements of a row of the residual stream.
  private let width: Int
  private let norms: BranchNorms
  private let preparation: HeadPass

  /// A runner for windows of `window` tokens; `matrices` gives the norms.
  public init(_ matrices: LayerMatrices, window: Int) {
    spec = matrices.spec
    self.window = window
    let attention = spec.attention
    width = attention.output.outputs
    norms = BranchNorms(spec) { matrices.norm($0) }
    let rotary = attention.rotary.map {
      RotaryTable($0, headSize: attention.headSize, positions: window, isLong: Self.isLong($0, window: window))
    }
    func headNorm(_ norm: HeadNormSpec?) -> HeadNormPass? {
      norm.map { HeadNormPass(matrices.norm($0.norm), size: $0.size) }
    }
    preparation = HeadPass(
      attention, queryNorm: headNorm(attention.queryNorm), keyNorm: headNorm(attention.keyNorm), rotary: rotary)
  }

  private static func isLong(_ rotary: RotarySpec, window: Int) -> Bool {
    guard case .longrope(let scaling) = rotary.scaling else { return false }
    return window > scaling.originalContext
  }

  /// Whether the MLP reads the stream as it was before attention.
  public var isParallel: Bool { norms.isParallel }

  /// What enters queries, keys and values, of `tokens` rows.
  public func attentionInput(_ residual: UnsafePointer<Float>, tokens: Int, into x: UnsafeMutablePointer<Float>) {
    normalize(norms.attention, residual, tokens, x)
  }

  /// What enters the MLP, of `tokens` rows.
  public func mlpInput(_ residual: UnsafePointer<Float>, tokens: Int, into x: UnsafeMutablePointer<Float>) {
    normalize(norms.mlp, residual, tokens, x)
  }

  private func normalize(
    _ norm: NormPass?, _ residual: UnsafePointer<Float>, _ tokens: Int, _ x: UnsafeMutablePointer<Float>
  ) {
    nonisolated(unsafe) let x = x, residual = residual
    guard let norm else { return x.update(from: residual, count: tokens * width) }
    let width = self.width
    forEachPiece(of: tokens) { piece in
      for token in piece { norm.apply(residual + token * width, into: x + token * width) }
    }
  }

  /// Adds what the output matrix of attention made, which is overwritten, to `tokens` rows of the stream.
  public func addAttention(_ y: UnsafeMutablePointer<Float>, to residual: UnsafeMutablePointer<Float>, tokens: Int) {
    add(y, norms.attentionEnd, residual, tokens)
  }

  /// Adds what the down matrix made, which is overwritten, to `tokens` rows of the stream.
  public func addMLP(_ y: UnsafeMutablePointer<Float>, to residual: UnsafeMutablePointer<Float>, tokens: Int) {
    add(y, norms.mlpEnd, residual, tokens)
  }

  private func add(
    _ y: UnsafeMutablePointer<Float>, _ end: BranchEnd, _ residual: UnsafeMutablePointer<Float>, _ tokens: Int
  ) {
    nonisolated(unsafe) let y = y, residual = residual
    let width = self.width
    forEachPiece(of: tokens) { piece in
      for token in piece { end.apply(y + token * width, to: residual + token * width, width: width) }
    }
  }

  /// Attention within each window; `queries` [tokens, heads · size] and `keys` [tokens, keyValueHeads · size] are normalised and
  /// rotated in place.
  ///
  /// - Precondition: `tokens` is a multiple of the window.
  public func attention(
    queries: UnsafeMutablePointer<Float>, keys: UnsafeMutablePointer<Float>, values: UnsafePointer<Float>, tokens: Int,
    into output: UnsafeMutablePointer<Float>
  ) {
    precondition(tokens % window == 0, "attention runs over whole windows")
    let attention = spec.attention, groups = attention.keyValueHeads, size = attention.headSize, window = self.window
    nonisolated(unsafe) let queries = queries, keys = keys, values = values, output = output
    forEachPiece(of: tokens) { piece in
      for token in piece {
        preparation.apply(
          queries: queries + token * attention.heads * size, keys: keys + token * groups * size, position: token % window)
      }
    }
    ThreadPool.shared.forEach(tokens / window * groups) { task in
      attend(
        group: task % groups, first: task / groups * window, queries: queries, keys: keys, values: values, output: output)
    }
  }

  /// One head of keys and values with its queries, over one window.
  private func attend(
    group: Int, first: Int, queries: UnsafePointer<Float>, keys: UnsafePointer<Float>, values: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>
  ) {
    let attention = spec.attention, size = attention.headSize, shared = attention.heads / attention.keyValueHeads
    let width = attention.heads * size, narrow = attention.keyValueHeads * size
    let cache = HeadCache(format: .f32, size: size, capacity: window)
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: HeadCache.scratchBytes(size: size), alignment: 64)
    defer { scratch.deallocate() }
    for token in 0..<window {
      let offset = (first + token) * narrow + group * size
      cache.store(token, key: keys + offset, value: values + offset)
    }
    let offset = first * width + group * shared * size
    for tile in stride(from: 0, to: window, by: 32) {
      cache.attend(
        queries + offset + tile * width, stride: width, heads: shared, tokens: min(32, window - tile), position: tile,
        window: attention.window, scale: attention.scale, softcap: attention.softcap, scratch: scratch,
        into: output + offset + tile * width, outputStride: width)
    }
  }

  /// activation(gate) · up, or without a gate activation(up), for `tokens` rows; the output may be either.
  public func mlpChannels(
    gate: UnsafePointer<Float>?, up: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>
  ) {
    let channels = spec.mlp.up.outputs, function = spec.mlp.activation.kernel
    nonisolated(unsafe) let gate = gate, up = up, y = y
    forEachPiece(of: tokens) { piece in
      let start = piece.lowerBound * channels, count = piece.count * channels
      if let gate {
        activate(function, gate + start, up + start, count: count, into: y + start)
      } else {
        activate(function, up + start, nil, count: count, into: y + start)
      }
    }
  }

  private func forEachPiece(of tokens: Int, _ body: (Range<Int>) -> Void) {
    let piece = 32
    ThreadPool.shared.forEach((tokens + piece - 1) / piece) { body($0 * piece..<min($0 * piece + piece, tokens)) }
  }
}
