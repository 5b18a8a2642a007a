import Inference
import Kernels
import Models

/// Attention within texts, both ways.
struct TrainedAttention: Sendable {
  private let spec: AttentionSpec
  private let query: TrainedLinear
  private let key: TrainedLinear
  private let value: TrainedLinear
  private let output: TrainedLinear
  private let queryNorm: TrainedNorm?
  private let keyNorm: TrainedNorm?
  private let rotary: RotaryTable?

  /// What the way back needs: queries and keys as they were projected, where that is another thing, and as attention read them.
  struct Record {
    let projectedQueries: Floats?
    let projectedKeys: Floats?
    let queries: Floats
    let keys: Floats
    let values: Floats
    let heads: Floats
    let output: Floats?
  }

  init(
    _ spec: AttentionSpec, _ linear: (LinearSpec) -> TrainedLinear, _ tensors: (TensorSpec) -> TrainedTensor,
    rotary: RotaryTable?
  ) {
    self.spec = spec
    query = linear(spec.query)
    key = linear(spec.key)
    value = linear(spec.value)
    output = linear(spec.output)
    queryNorm = spec.queryNorm.map { TrainedNorm($0.norm, tensors, size: $0.size) }
    keyNorm = spec.keyNorm.map { TrainedNorm($0.norm, tensors, size: $0.size) }
    self.rotary = rotary
  }

  func forward(_ x: Floats, _ context: PassContext) -> (output: Floats, record: Record) {
    let projectedQueries = query.forward(x, context), projectedKeys = key.forward(x, context)
    let values = value.forward(x, context)
    let queries = positioned(projectedQueries, query, queryNorm, isQuery: true, context)
    let keys = positioned(projectedKeys, key, keyNorm, isQuery: false, context)
    let heads = attend(queries, keys, values, context)
    let result = output.forward(heads, context)
    let record = Record(
      projectedQueries: keepsProjection(query, queryNorm) ? projectedQueries : nil,
      projectedKeys: keepsProjection(key, keyNorm) ? projectedKeys : nil, queries: queries, keys: keys, values: values,
      heads: heads, output: output.needsOutputs ? result : nil)
    return (result, record)
  }

  private func keepsProjection(_ linear: TrainedLinear, _ norm: TrainedNorm?) -> Bool { linear.needsOutputs || norm != nil }

  /// The norm and the position of queries or keys; in their place where nobody needs what was there.
  private func positioned(
    _ x: Floats, _ linear: TrainedLinear, _ norm: TrainedNorm?, isQuery: Bool, _ context: PassContext
  ) -> Floats {
    let result = norm?.forward(x, context) ?? (keepsProjection(linear, norm) ? context.scaled(x, by: 1) : x)
    turn(result, isQuery: isQuery, isBack: false, context)
    return result
  }

  /// Rotates by position, and scales queries by it; or the way back, which is the transpose.
  private func turn(_ x: Floats, isQuery: Bool, isBack: Bool, _ context: PassContext) {
    let scaling = isQuery ? spec.queryScaling : nil
    guard rotary != nil || scaling != nil else { return }
    let heads = isQuery ? spec.heads : spec.keyValueHeads, width = heads * spec.headSize, size = rotary?.size ?? 0
    context.forEachPiece { piece in
      var sines = [Float](repeating: 0, count: size / 2)
      for token in piece {
        let position = token % context.window, row = x.pointer + token * width
        if let factor = scaling?.factor(position), factor != 1 { scale(row, by: factor, count: width) }
        guard let rotary else { continue }
        let (cosines, own) = rotary.row(position)
        for index in sines.indices { sines[index] = isBack ? -own[index] : own[index] }
        rotate(row, heads: heads, stride: spec.headSize, size: size, cosines: cosines, sines: sines)
      }
    }
  }

  private func kernel(_ context: PassContext) -> TextAttention {
    TextAttention(
      tokens: context.window, heads: spec.heads / spec.keyValueHeads, size: spec.headSize,
      queryStride: spec.heads * spec.headSize,
      keyStride: spec.keyValueHeads * spec.headSize, window: spec.window, scale: spec.scale, softcap: spec.softcap,
      arithmetic: context.arithmetic)
  }

  /// Calls `body` for each text and each head of keys and values, with where its queries and its keys begin.
  private func forEachGroup(_ context: PassContext, _ body: (_ queries: Int, _ keys: Int) -> Void) {
    let groups = spec.keyValueHeads, size = spec.headSize, shared = spec.heads / groups
    ThreadPool.shared.forEach(context.tokens / context.window * groups) { task in
      let token = task / groups * context.window, group = task % groups
      body(token * spec.heads * size + group * shared * size, token * groups * size + group * size)
    }
  }

  private func attend(_ queries: Floats, _ keys: Floats, _ values: Floats, _ context: PassContext) -> Floats {
    let outputs = context.pool.take(queries.count), kernel = kernel(context)
    forEachGroup(context) { query, key in
      let scratch = context.pool.take(kernel.scratchCount)
      kernel.forward(
        queries: queries.pointer + query, keys: keys.pointer + key, values: values.pointer + key, scratch: scratch.pointer,
        into: outputs.pointer + query)
    }
    return outputs
  }

  /// dx += the gradient of x, given that of the output; or dx = that gradient.
  func backward(
    _ x: Floats, _ record: Record, _ dy: Floats, to dx: Floats, accumulate: Bool = true, _ context: PassContext
  ) {
    let dheads = context.pool.take(record.heads.count)
    output.backward(record.heads, record.output, dy, to: dheads, accumulate: false, context)
    let dqueries = context.pool.take(record.queries.count)
    let dkeys = context.pool.take(record.keys.count), dvalues = context.pool.take(record.values.count)
    let kernel = kernel(context)
    forEachGroup(context) { query, key in
      for token in 0..<kernel.tokens {
        for gradient in [dkeys, dvalues] {
          gradient.pointer.advanced(by: key + token * kernel.keyStride).update(repeating: 0, count: kernel.size)
        }
      }
      let scratch = context.pool.take(kernel.scratchCount)
      kernel.backward(
        queries: record.queries.pointer + query, keys: record.keys.pointer + key, values: record.values.pointer + key,
        outputs: dheads.pointer + query, scratch: scratch.pointer, queries: dqueries.pointer + query, keys: dkeys.pointer + key,
        values: dvalues.pointer + key)
    }
    back(dqueries, query, queryNorm, x, record.projectedQueries, isQuery: true, to: dx, accumulate: accumulate, context)
    back(dkeys, key, keyNorm, x, record.projectedKeys, isQuery: false, to: dx, accumulate: true, context)
    value.backward(x, record.values, dvalues, to: dx, context)
  }

  /// Through position, norm and projection.
  private func back(
    _ gradient: Floats, _ linear: TrainedLinear, _ norm: TrainedNorm?, _ x: Floats, _ projected: Floats?, isQuery: Bool,
    to dx: Floats, accumulate: Bool, _ context: PassContext
  ) {
    turn(gradient, isQuery: isQuery, isBack: true, context)
    guard let norm, let projected else {
      return linear.backward(x, projected, gradient, to: dx, accumulate: accumulate, context)
    }
    let dprojected = context.pool.zeros(gradient.count)
    norm.backward(projected, gradient, to: dprojected, context)
    linear.backward(x, projected, dprojected, to: dx, accumulate: accumulate, context)
  }
}
