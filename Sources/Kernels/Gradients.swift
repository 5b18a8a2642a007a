import CKernels

/// dx += the gradient of x through `rmsNorm` of one row, dweight += that of its weight, given the gradient dy of the output.
public func rmsNormGradient(
  _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, _ dy: UnsafePointer<Float>, count: Int,
  dx: UnsafeMutablePointer<Float>, dweight: UnsafeMutablePointer<Float>?
) {
  lmk_rms_norm_gradient(x, weight, epsilon, dy, count, dx, dweight)
}

/// Likewise through `layerNorm`, with dbias += dy.
public func layerNormGradient(
  _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, _ dy: UnsafePointer<Float>, count: Int,
  dx: UnsafeMutablePointer<Float>, dweight: UnsafeMutablePointer<Float>?, dbias: UnsafeMutablePointer<Float>?
) {
  lmk_layer_norm_gradient(x, weight, epsilon, dy, count, dx, dweight, dbias)
}

/// The way back through `activate`: `gate` and `up`, which held what went in, become their own gradients, given that of the output.
public func activateGradient(
  _ function: Activation, gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>?,
  _ gradient: UnsafePointer<Float>, count: Int
) {
  lmk_activate_gradient(lmk_activation(function.rawValue), gate, up, gradient, count)
}

/// KL(softmax(teacher / t) ‖ softmax(logits / t)) in nats. Afterwards `logits` holds its gradient times t² · weight, and `teacher`
/// nothing of use.
public func divergenceGradient(
  _ logits: UnsafeMutablePointer<Float>, teacher: UnsafeMutablePointer<Float>, count: Int, temperature: Float, weight: Float
) -> Double {
  lmk_divergence_gradient(logits, teacher, count, temperature, weight)
}

/// -log softmax(logits)[label] in nats. Afterwards `logits` holds its gradient times `weight`.
public func crossEntropyGradient(
  _ logits: UnsafeMutablePointer<Float>, count: Int, label: Int, weight: Float
) -> Double {
  lmk_cross_entropy_gradient(logits, count, label, weight)
}

/// Σ x², in double precision over chunks of 256.
public func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double { lmk_sum_of_squares(x, count) }

/// Σ x y, in double precision over chunks of 256.
public func sumOfProducts(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Double { lmk_dot(x, y, count) }

/// sums[j] += Σ over rows of x[row][j] · y[row][j], or of x[row][j] where there is no y. Both have rows of `stride` floats.
public func addColumnSums(
  _ x: UnsafePointer<Float>, times y: UnsafePointer<Float>?, rows: Int, columns: Int, stride: Int,
  to sums: UnsafeMutablePointer<Float>
) {
  lmk_add_column_sums(x, y, rows, columns, stride, sums)
}

/// One step of AdamW (Loshchilov and Hutter 2019), as torch.optim.AdamW takes it.
public struct AdamWStep: Sendable {
  private let c: lmk_adamw

  /// A step of these settings.
  ///
  /// - Parameters:
  ///   - decay: of the weights, times the rate.
  ///   - gradientScale: what gradients are multiplied with first.
  ///   - powers: of both betas, to the number of the step, counted from 1.
  public init(
    rate: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float, gradientScale: Float,
    powers: (beta1: Double, beta2: Double)
  ) {
    c = lmk_adamw(
      rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, decay: decay, correction1: Float(1 - powers.beta1),
      correction2: Float((1 - powers.beta2).squareRoot()), gradient_scale: gradientScale)
  }

  /// Updates weights and both moments.
  public func apply(
    _ weights: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>, first: UnsafeMutablePointer<Float>,
    second: UnsafeMutablePointer<Float>, count: Int
  ) {
    withUnsafePointer(to: c) { lmk_adamw_step($0, weights, gradients, first, second, count) }
  }
}

/// Attention for training: one head of keys and values and the queries that share it, over one text from its start (`attention_gradient.h`).
public struct TextAttention: Sendable {
  /// Tokens of the text.
  public let tokens: Int
  /// Query heads that share the head of keys and values.
  public let heads: Int
  /// Elements of a head.
  public let size: Int
  /// Floats from the queries of a token to those of the next; of outputs and of both gradients too.
  public let queryStride: Int
  /// Floats from the key of a token to that of the next; of values and of both gradients too.
  public let keyStride: Int
  /// How many positions a token sees, itself included; nil for all.
  public let window: Int?
  /// What scores are multiplied with.
  public let scale: Float
  /// c makes a score s c · tanh(s / c).
  public let softcap: Float?
  /// How products are computed.
  public let arithmetic: MatrixProduct.Arithmetic

  /// Attention of these sizes.
  public init(
    tokens: Int, heads: Int, size: Int, queryStride: Int, keyStride: Int, window: Int?, scale: Float, softcap: Float?,
    arithmetic: MatrixProduct.Arithmetic = .f32
  ) {
    self.tokens = tokens
    self.heads = heads
    self.size = size
    self.queryStride = queryStride
    self.keyStride = keyStride
    self.window = window
    self.scale = scale
    self.softcap = softcap
    self.arithmetic = arithmetic
  }

  /// Floats of scratch that either way needs, aligned to 64 bytes.
  public var scratchCount: Int {
    var text = text(nil, nil, nil)
    return lmk_attention_text_scratch(&text)
  }

  private func text(
    _ queries: UnsafePointer<Float>?, _ keys: UnsafePointer<Float>?, _ values: UnsafePointer<Float>?
  ) -> lmk_attention_text {
    lmk_attention_text(
      queries: queries, query_stride: queryStride, keys: keys, values: values, key_stride: keyStride, tokens: tokens,
      heads: heads, size: size, window: window ?? 0, scale: scale, softcap: softcap ?? 0,
      arithmetic: lmk_gemm_arithmetic(arithmetic.rawValue))
  }

  /// outputs = softmax(scale · queries keysᵀ) values, each token seeing what comes before it.
  public func forward(
    queries: UnsafePointer<Float>, keys: UnsafePointer<Float>, values: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>,
    into outputs: UnsafeMutablePointer<Float>
  ) {
    var text = text(queries, keys, values)
    lmk_attention_text_forward(&text, outputs, scratch)
  }

  /// The gradients of queries (written), and of keys and values (added to), given that of the outputs.
  public func backward(
    queries: UnsafePointer<Float>, keys: UnsafePointer<Float>, values: UnsafePointer<Float>,
    outputs gradient: UnsafePointer<Float>,
    scratch: UnsafeMutablePointer<Float>, queries dqueries: UnsafeMutablePointer<Float>, keys dkeys: UnsafeMutablePointer<Float>,
    values dvalues: UnsafeMutablePointer<Float>
  ) {
    var text = text(queries, keys, values)
    lmk_attention_text_backward(&text, gradient, dqueries, dkeys, dvalues, scratch)
  }
}
