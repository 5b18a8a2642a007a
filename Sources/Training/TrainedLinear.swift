import Kernels

/// What all layers of a pass share: memory for floats, and the arithmetic of products.
struct PassContext: Sendable {
  /// Tokens that pass together.
  let tokens: Int
  /// Tokens of a text; texts lie one after the other.
  let window: Int
  /// How products are computed.
  let arithmetic: MatrixProduct.Arithmetic
  /// Where floats come from.
  let pool: FloatPool

  /// Calls `body` with pieces of the tokens, on all threads.
  func forEachPiece(_ body: (Range<Int>) -> Void) {
    let piece = 32, tokens = self.tokens
    ThreadPool.shared.forEach((tokens + piece - 1) / piece) { body($0 * piece..<min($0 * piece + piece, tokens)) }
  }

  /// x += y.
  func add(_ x: Floats, _ y: Floats) {
    let width = x.count / max(1, tokens)
    forEachPiece { piece in
      Kernels.add(x.pointer + piece.lowerBound * width, y.pointer + piece.lowerBound * width, count: piece.count * width)
    }
  }

  /// x · factor, as floats of their own.
  func scaled(_ x: Floats, by factor: Float) -> Floats {
    let result = pool.take(x.count), width = x.count / max(1, tokens)
    forEachPiece { piece in
      let start = piece.lowerBound * width, count = piece.count * width
      result.pointer.advanced(by: start).update(from: x.pointer + start, count: count)
      if factor != 1 { scale(result.pointer + start, by: factor, count: count) }
    }
    return result
  }
}

/// sums[j] += Σ over rows of x[row][j] · y[row][j], on all threads.
func addColumns(_ x: Floats, times y: Floats?, rows: Int, columns: Int, to sums: UnsafeMutablePointer<Float>) {
  nonisolated(unsafe) let sums = sums
  let block = 128
  ThreadPool.shared.forEach((columns + block - 1) / block) { index in
    let first = index * block
    addColumnSums(
      x.pointer + first, times: y.map { UnsafePointer($0.pointer + first) }, rows: rows, columns: min(block, columns - first),
      stride: columns, to: sums + first)
  }
}

/// y = W x + b, both ways.
struct TrainedLinear: Sendable {
  /// W [outputs, inputs].
  let weight: TrainedTensor
  /// b [outputs].
  let bias: TrainedTensor?

  var outputs: Int { weight.rows }
  var inputs: Int { weight.columns }
  /// Whether the way back asks for what the way forward gave.
  var needsOutputs: Bool {
    if case .factors = weight.training { return true }
    return false
  }

  /// W x + b for all tokens.
  func forward(_ x: Floats, _ context: PassContext) -> Floats {
    let y = context.pool.take(context.tokens * outputs)
    MatrixProduct(rows: context.tokens, columns: outputs, depth: inputs, arithmetic: context.arithmetic)(
      .init(x.pointer, stride: inputs), .init(weight.values.pointer, stride: inputs, transposed: true), into: y.pointer,
      stride: outputs)
    if let bias {
      context.forEachPiece { piece in
        for token in piece { add(y.pointer + token * outputs, bias.values.pointer, count: outputs) }
      }
    }
    return y
  }

  /// Adds to the gradients of weight and bias, and to that of x, or replaces that.
  ///
  /// - Parameters:
  ///   - x: what went in.
  ///   - y: what came out; asked for where `needsOutputs`.
  ///   - dy: its gradient.
  ///   - dx: nil when nobody needs it.
  func backward(
    _ x: Floats, _ y: Floats?, _ dy: Floats, to dx: Floats?, accumulate: Bool = true, _ context: PassContext
  ) {
    weight.gradients?.add(dy, tokens: context.tokens)
    if let bias, let gradient = bias.gradient { addColumns(dy, times: nil, rows: context.tokens, columns: outputs, to: gradient) }
    switch weight.training {
    case .frozen: break
    case .dense(let parameter): addWeightGradient(x, dy, to: parameter.gradient, accumulate: true, context)
    case .groups(let groups):
      let gradient = context.pool.take(outputs * inputs)
      addWeightGradient(x, dy, to: gradient, accumulate: false, context)
      groups.add(gradient)
    case .lowRank(let pair): pair.add(x, dy, context)
    case .factors(let factors):
      addFactorGradients(factors, x, y, dy, to: dx, accumulate: accumulate, context)
      return
    }
    if let dx { addInputGradient(dy, to: dx, accumulate: accumulate, context) }
  }

  private func addWeightGradient(_ x: Floats, _ dy: Floats, to gradient: Floats, accumulate: Bool, _ context: PassContext) {
    MatrixProduct(rows: outputs, columns: inputs, depth: context.tokens, arithmetic: context.arithmetic)(
      .init(dy.pointer, stride: outputs, transposed: true), .init(x.pointer, stride: inputs), into: gradient.pointer,
      stride: inputs, accumulate: accumulate)
  }

  private func addInputGradient(_ dy: Floats, to dx: Floats, accumulate: Bool, _ context: PassContext) {
    MatrixProduct(rows: context.tokens, columns: inputs, depth: outputs, arithmetic: context.arithmetic)(
      .init(dy.pointer, stride: outputs), .init(weight.values.pointer, stride: inputs), into: dx.pointer, stride: inputs,
      accumulate: accumulate)
  }

  /// With y = r (V (c x)): the gradient of r is Σ dy (y - b) / r, that of c is Σ x dx / c, dx being what this layer alone adds. No
  /// product of activations is needed.
  private func addFactorGradients(
    _ factors: Factors, _ x: Floats, _ y: Floats?, _ dy: Floats, to dx: Floats?, accumulate: Bool,
    _ context: PassContext
  ) {
    guard let y else { preconditionFailure("factors are trained with what came out") }
    let rows = context.pool.zeros(outputs), biases = context.pool.zeros(outputs)
    addColumns(dy, times: y, rows: context.tokens, columns: outputs, to: rows.pointer)
    if bias != nil { addColumns(dy, times: nil, rows: context.tokens, columns: outputs, to: biases.pointer) }
    for row in 0..<outputs {
      let offset = bias.map { $0.values.pointer[row] * biases.pointer[row] } ?? 0
      factors.rows.gradient.pointer[row] += (rows.pointer[row] - offset) / factors.rows.values.pointer[row]
    }
    guard let trained = factors.columns else {
      if let dx { addInputGradient(dy, to: dx, accumulate: accumulate, context) }
      return
    }
    let own = (accumulate ? nil : dx) ?? context.pool.take(context.tokens * inputs), columns = context.pool.zeros(inputs)
    addInputGradient(dy, to: own, accumulate: false, context)
    addColumns(x, times: own, rows: context.tokens, columns: inputs, to: columns.pointer)
    for column in 0..<inputs {
      trained.gradient.pointer[column] += columns.pointer[column] / trained.values.pointer[column]
    }
    if let dx, accumulate { context.add(dx, own) }
  }
}
