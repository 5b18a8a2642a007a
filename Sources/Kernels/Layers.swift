import CKernels

/// output = x / sqrt(mean(x²) + epsilon) · weight, for each of `tokens` rows of `count` elements. `output` may be `x`.
public func rmsNorm(
  _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, count: Int, tokens: Int,
  into output: UnsafeMutablePointer<Float>
) {
  for token in 0..<tokens { lmk_rms_norm(x + token * count, weight, epsilon, count, output + token * count) }
}

/// output = (x - mean(x)) / sqrt(variance(x) + epsilon) · weight + bias, for one row of `count` elements. `output` may be `x`.
public func layerNorm(
  _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?, epsilon: Float, count: Int,
  into output: UnsafeMutablePointer<Float>
) {
  lmk_layer_norm(x, weight, bias, epsilon, count, output)
}

/// The functions between the matrices of an MLP.
public enum Activation: UInt32, Sendable, CaseIterable {
  /// x / (1 + exp(-x)).
  case silu = 0
  /// x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³))), an approximation of `gelu`.
  case geluTanh = 1
  /// x/2 (1 + erf(x / sqrt 2)).
  case gelu = 2
  /// max(x, 0).
  case relu = 3
}

/// output = function(gate) · up, element by element; without `up`, output = function(gate). `output` may be `gate`.
public func activate(
  _ function: Activation, _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>?, count: Int,
  into output: UnsafeMutablePointer<Float>
) {
  lmk_activate(lmk_activation(function.rawValue), gate, up, count, output)
}

/// output = x · y, element by element. `output` may be `x`.
public func multiply(
  _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>
) {
  lmk_multiply(x, y, count, output)
}

/// x += y.
public func add(_ x: UnsafeMutablePointer<Float>, _ y: UnsafePointer<Float>, count: Int) { lmk_add(x, y, count) }

/// x *= factor.
public func scale(_ x: UnsafeMutablePointer<Float>, by factor: Float, count: Int) { lmk_scale(x, factor, count) }

/// x = cap · tanh(x / cap).
public func softcap(_ x: UnsafeMutablePointer<Float>, _ cap: Float, count: Int) { lmk_softcap(x, cap, count) }

/// Rotates the pairs (i, i + size/2) of the first `size` elements of each head by the angles with the given cosines and sines (size/2
/// of each). A head starts `stride` elements after the one before.
public func rotate(
  _ x: UnsafeMutablePointer<Float>, heads: Int, stride: Int, size: Int, cosines: UnsafePointer<Float>,
  sines: UnsafePointer<Float>
) {
  lmk_rotary(x, heads, stride, size, cosines, sines)
}

/// x = softmax(x), in place.
public func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) { lmk_softmax(x, count) }

/// log Σ exp(x), natural; 0 elements give minus infinity.
public func logSumExp(_ x: UnsafePointer<Float>, count: Int) -> Double {
  count == 0 ? -.infinity : lmk_log_sum_exp(x, count)
}

/// The Kullback-Leibler divergence KL(softmax(p) ‖ softmax(q)) in nats, given the `logSumExp` of both.
public func divergence(
  of p: UnsafePointer<Float>, from q: UnsafePointer<Float>, count: Int, logSums: (p: Double, q: Double)
) -> Double {
  lmk_divergence(p, q, count, logSums.p, logSums.q)
}

/// The index of the largest element, the first of equals.
public func argmax(_ x: UnsafePointer<Float>, count: Int) -> Int { lmk_argmax(x, count) }

/// exp(x), held to -87...88: the function that the softmax uses, the same on every machine.
public func exponential(_ x: Float) -> Float { lmk_exp(x) }

/// The index of the first element that is NaN or larger than `limit` in magnitude; nil when there is none.
public func firstElement(beyond limit: Float, in x: UnsafeBufferPointer<Float>) -> Int? {
  guard let base = x.baseAddress else { return nil }
  let index = lmk_first_beyond(base, x.count, limit)
  return index < x.count ? index : nil
}
