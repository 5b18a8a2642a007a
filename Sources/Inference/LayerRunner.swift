import Kernels
import Models

/// Runs one layer, step by step, over many windows of text at once, so that a caller can see, and change, what enters and leaves every
/// matrix. Texts start at position 0 of each window.
///
/// The steps, with h the residual stream: x = `attentionInput`(h); q, k, v = W x; o = `attention`(q, k, v); h += W o;
/// x = `mlpInput`(h); g, u = W x; y = `mlpChannels`(g, u); h += W y.
public final class LayerRunner {
  /// What the layer is.
  public let spec: LayerSpec
  /// Tokens of a window.
  public let window: Int
  private let rotary: RotaryTable
  private let attentionNorm: [Float]
  private let mlpNorm: [Float]

  /// A runner for windows of `window` tokens; `matrices` gives the norms.
  public init(_ matrices: LayerMatrices, window: Int) {
    spec = matrices.spec
    self.window = window
    rotary = RotaryTable(spec.attention.rotary, headSize: spec.attention.headSize, positions: window)
    attentionNorm = matrices[spec.attentionNorm.weight]
    mlpNorm = matrices[spec.mlpNorm.weight]
  }

  /// The norm before attention, of `tokens` rows.
  public func attentionInput(_ residual: UnsafePointer<Float>, tokens: Int, into x: UnsafeMutablePointer<Float>) {
    normalize(spec.attentionNorm, attentionNorm, residual, tokens, x)
  }

  /// The norm before the MLP, of `tokens` rows.
  public func mlpInput(_ residual: UnsafePointer<Float>, tokens: Int, into x: UnsafeMutablePointer<Float>) {
    normalize(spec.mlpNorm, mlpNorm, residual, tokens, x)
  }

  private func normalize(
    _ norm: NormSpec, _ weight: [Float], _ residual: UnsafePointer<Float>, _ tokens: Int, _ x: UnsafeMutablePointer<Float>
  ) {
    nonisolated(unsafe) let x = x, residual = residual
    let pass = NormPass(norm, weight), width = weight.count
    forEachPiece(of: tokens) { piece in
      for token in piece { pass.apply(residual + token * width, into: x + token * width) }
    }
  }

  /// Attention within each window; `queries` [tokens, heads · size] and `keys` [tokens, keyValueHeads · size] are rotated in place.
  ///
  /// - Precondition: `tokens` is a multiple of the window.
  public func attention(
    queries: UnsafeMutablePointer<Float>, keys: UnsafeMutablePointer<Float>, values: UnsafePointer<Float>, tokens: Int,
    into output: UnsafeMutablePointer<Float>
  ) {
    precondition(tokens % window == 0, "attention runs over whole windows")
    let attention = spec.attention, groups = attention.keyValueHeads
    nonisolated(unsafe) let queries = queries, keys = keys, values = values, output = output
    ThreadPool.shared.forEach(tokens / window * groups) { task in
      attend(
        group: task % groups, first: task / groups * window, queries: queries, keys: keys, values: values, output: output)
    }
  }

  /// One head of keys and values with its queries, over one window.
  private func attend(
    group: Int, first: Int, queries: UnsafeMutablePointer<Float>, keys: UnsafeMutablePointer<Float>,
    values: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>
  ) {
    let attention = spec.attention, size = attention.headSize, shared = attention.heads / attention.keyValueHeads
    let width = attention.heads * size, narrow = attention.keyValueHeads * size
    let cache = HeadCache(format: .f32, size: size, capacity: window)
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: HeadCache.scratchBytes(size: size), alignment: 64)
    defer { scratch.deallocate() }
    for token in 0..<window {
      let (cosines, sines) = rotary.row(token)
      let key = keys + (first + token) * narrow + group * size
      rotate(key, heads: 1, size: size, cosines: cosines, sines: sines)
      rotate(queries + (first + token) * width + group * shared * size, heads: shared, size: size, cosines: cosines, sines: sines)
      cache.store(token, key: key, value: values + (first + token) * narrow + group * size)
    }
    let offset = first * width + group * shared * size
    for tile in stride(from: 0, to: window, by: 32) {
      cache.attend(
        queries + offset + tile * width, stride: width, heads: shared, tokens: min(32, window - tile), position: tile,
        window: attention.window, scale: attention.scale, softcap: nil, scratch: scratch, into: output + offset + tile * width,
        outputStride: width)
    }
  }

  /// activation(gate) · up, for `tokens` rows; `gate` may be the output.
  public func mlpChannels(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>
  ) {
    let channels = spec.mlp.gate.outputs, function = spec.mlp.activation.kernel
    nonisolated(unsafe) let gate = gate, up = up, y = y
    forEachPiece(of: tokens) { piece in
      let start = piece.lowerBound * channels
      activate(function, gate + start, up + start, count: piece.count * channels, into: y + start)
    }
  }

  private func forEachPiece(of tokens: Int, _ body: (Range<Int>) -> Void) {
    let piece = 32
    ThreadPool.shared.forEach((tokens + piece - 1) / piece) { body($0 * piece..<min($0 * piece + piece, tokens)) }
  }
}

/// The norm before the head.
public struct FinalNorm {
  private let pass: NormPass
  private let width: Int

  /// The norm with its weight.
  public init(_ spec: NormSpec, weight: [Float]) {
    pass = NormPass(spec, weight)
    width = weight.count
  }

  /// The norm of `tokens` rows.
  public func apply(_ residual: UnsafePointer<Float>, tokens: Int, into x: UnsafeMutablePointer<Float>) {
    for token in 0..<tokens { pass.apply(residual + token * width, into: x + token * width) }
  }
}
