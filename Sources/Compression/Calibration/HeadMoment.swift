import Inference
import Models
import Tensors

/// The second moment of what enters the head.
enum HeadMoment {
  /// Tokens whose norms are held at a time.
  private static let batch = 2048

  /// E[x xᵀ] of what the head reads, x, for a residual stream after the last layer.
  ///
  /// - Throws: `badInput` when the weight of the norm is not finite (MODEL-5).
  static func of(_ source: ModelSource, _ path: ResidualPath) throws(LMToolError) -> [Float] {
    let width = source.spec.width, input = try HeadInput(source)
    let moments = Moments(size: input.size, hasOriginal: false)
    var x = [Float](repeating: 0, count: min(batch, path.tokens) * input.size)
    for start in stride(from: 0, to: path.tokens, by: batch) {
      let count = min(batch, path.tokens - start)
      input.run(path.residual + start * width, tokens: count, into: &x)
      moments.add(x, count: count)
    }
    return moments.mean
  }
}
