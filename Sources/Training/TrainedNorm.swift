import Kernels
import Models

/// A norm of rows, both ways.
struct TrainedNorm: Sendable {
  private let spec: NormSpec
  private let weight: TrainedTensor
  private let bias: TrainedTensor?
  /// Elements that are normalised together.
  private let size: Int

  /// - Parameter size: elements that are normalised together, where rows have several groups of them.
  init(_ spec: NormSpec, _ tensors: (TensorSpec) -> TrainedTensor, size: Int? = nil) {
    self.spec = spec
    weight = tensors(spec.weight)
    bias = spec.bias.map(tensors)
    self.size = size ?? weight.rows
  }

  /// Tokens whose gradients of the weight are summed before they are added to those of others, whatever the threads.
  private static let piece = 64

  /// The weight that is multiplied with: what is stored and its offset.
  private func effectiveWeight() -> [Float] { weight.values.array.map { $0 + spec.weightOffset } }

  /// The norms of all rows of x.
  func forward(_ x: Floats, _ context: PassContext) -> Floats {
    let output = context.pool.take(x.count), width = x.count / max(1, context.tokens)
    let weight = effectiveWeight()
    weight.withUnsafeBufferPointer { weight in
      nonisolated(unsafe) let weight = weight.baseAddress!
      context.forEachPiece { piece in
        for place in stride(from: piece.lowerBound * width, to: piece.upperBound * width, by: size) {
          let shift = place % width % self.weight.rows
          normalize(x.pointer + place, weight + shift, shift, into: output.pointer + place)
        }
      }
    }
    return output
  }

  private func normalize(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ shift: Int, into output: UnsafeMutablePointer<Float>
  ) {
    switch spec.kind {
    case .rms: rmsNorm(x, weight: weight, epsilon: spec.epsilon, count: size, tokens: 1, into: output)
    case .layer:
      layerNorm(
        x, weight: weight, bias: bias.map { UnsafePointer($0.values.pointer + shift) }, epsilon: spec.epsilon, count: size,
        into: output)
    }
  }

  /// dx += the gradient of x, given that of the norms; adds to the gradients of weight and bias.
  func backward(_ x: Floats, _ dy: Floats, to dx: Floats, _ context: PassContext) {
    let tokens = context.tokens, width = x.count / max(1, tokens), count = weight.rows
    let pieces = (tokens + Self.piece - 1) / Self.piece
    let sums = context.pool.zeros(pieces * 2 * count)
    let effective = effectiveWeight()
    effective.withUnsafeBufferPointer { buffer in
      nonisolated(unsafe) let effective = buffer.baseAddress!
      ThreadPool.shared.forEach(pieces) { index in
        let own = sums.pointer + index * 2 * count
        for place in stride(from: index * Self.piece * width, to: min(tokens, (index + 1) * Self.piece) * width, by: size) {
          let shift = place % width % count
          back(
            x.pointer + place, effective + shift, dy.pointer + place, dx: dx.pointer + place,
            dweight: weight.gradient == nil ? nil : own + shift, dbias: bias?.gradient == nil ? nil : own + count + shift)
        }
      }
    }
    for index in 0..<pieces {
      if let gradient = weight.gradient { add(gradient, sums.pointer + index * 2 * count, count: count) }
      if let gradient = bias?.gradient { add(gradient, sums.pointer + index * 2 * count + count, count: count) }
    }
  }

  private func back(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
    dweight: UnsafeMutablePointer<Float>?, dbias: UnsafeMutablePointer<Float>?
  ) {
    switch spec.kind {
    case .rms: rmsNormGradient(x, weight: weight, epsilon: spec.epsilon, dy, count: size, dx: dx, dweight: dweight)
    case .layer:
      layerNormGradient(x, weight: weight, epsilon: spec.epsilon, dy, count: size, dx: dx, dweight: dweight, dbias: dbias)
    }
  }
}
