import Kernels

/// Second moments of the inputs of a matrix over the tokens of a calibration text: Σ x̂ x̂ᵀ of a model whose earlier layers are
/// quantized, and Σ x x̂ᵀ of the original beside it.
final class Moments {
  /// Elements of an input.
  let size: Int
  /// Tokens that were added.
  private(set) var tokens = 0
  /// [size, size], Σ x̂ x̂ᵀ.
  private(set) var own: [Float]
  /// [size, size], Σ x x̂ᵀ; empty when there is no original beside.
  private(set) var cross: [Float]

  /// Empty sums; `hasOriginal` when both models run.
  init(size: Int, hasOriginal: Bool) {
    self.size = size
    own = [Float](repeating: 0, count: size * size)
    cross = hasOriginal ? own : []
  }

  /// Adds `count` inputs x̂, [count, size], and those of the original.
  func add(_ inputs: UnsafePointer<Float>, original: UnsafePointer<Float>? = nil, count: Int) {
    own.withUnsafeMutableBufferPointer { MatrixProduct.addGram(of: inputs, tokens: count, size: size, to: $0.baseAddress!) }
    if let original {
      cross.withUnsafeMutableBufferPointer { cross in
        MatrixProduct(rows: size, columns: size, depth: count)(
          .init(original, stride: size, transposed: true), .init(inputs, stride: size), into: cross.baseAddress!, stride: size,
          accumulate: true)
      }
    }
    tokens += count
  }

  /// The mean of the diagonal of E[x̂ x̂ᵀ].
  var meanSquare: Double {
    guard tokens > 0 else { return 0 }
    return (0..<size).reduce(0.0) { $0 + Double(own[$1 * (size + 1)]) } / Double(size) / Double(tokens)
  }

  /// The factor of E[x̂ x̂ᵀ], damped by a fraction of the mean of its diagonal; more, ten times at a go, as long as that is not enough.
  /// With an `order` of the inputs, that of the moment of inputs in that order.
  func factor(damping: Double, order: [Int]? = nil) -> SymmetricFactor {
    let count = Float(max(1, tokens))
    let mean =
      order.map { order in order.flatMap { row in order.map { own[row * size + $0] / count } } } ?? own.map { $0 / count }
    let floor = max(meanSquare, 1e-30)
    var amount = damping
    while true {
      let factor = mean.withUnsafeBufferPointer { SymmetricFactor($0.baseAddress!, size: size, damping: amount * floor) }
      if let factor { return factor }
      amount *= 10
    }
  }

  /// [size, size], (E[x x̂ᵀ] - E[x̂ x̂ᵀ]) S⁻¹ with the damped S of `factor`: what of the difference between the inputs of the two models the
  /// quantized one can predict. W (1 + M) is the least-squares answer to inputs that have drifted.
  func drift(_ factor: SymmetricFactor) -> [Float] {
    var rows = zip(cross, own).map { ($0 - $1) / Float(max(1, tokens)) }
    rows.withUnsafeMutableBufferPointer { factor.solve($0.baseAddress!, count: size) }
    return rows
  }
}
