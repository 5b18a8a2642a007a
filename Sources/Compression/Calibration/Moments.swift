import Kernels
import Tensors

/// Second moments of the inputs of a matrix over the tokens of a calibration text: Σ x̂ x̂ᵀ of a model whose earlier layers are
/// quantized, and Σ (x - x̂) x̂ᵀ where the original runs beside it.
package final class Moments {
  /// Elements of an input.
  package let size: Int
  /// Tokens that were added.
  package private(set) var tokens = 0
  /// [size, size], Σ x̂ x̂ᵀ.
  package private(set) var own: [Double]
  /// [size, size], Σ (x - x̂) x̂ᵀ; empty when there is no original. Differences of inputs, not of sums: sums of inputs as large as some
  /// channels have would drown them.
  package private(set) var difference: [Double]

  /// Empty sums; `hasOriginal` when both models run.
  package init(size: Int, hasOriginal: Bool) {
    self.size = size
    own = [Double](repeating: 0, count: size * size)
    difference = hasOriginal ? own : []
  }

  /// Adds `count` inputs x̂, [count, size], and those of the original.
  package func add(_ inputs: UnsafePointer<Float>, original: UnsafePointer<Float>? = nil, count: Int) {
    var sums = [Float](repeating: 0, count: size * size)
    sums.withUnsafeMutableBufferPointer { MatrixProduct.addGram(of: inputs, tokens: count, size: size, to: $0.baseAddress!) }
    Self.add(sums, to: &own)
    if let original {
      let drifts = (0..<count * size).map { original[$0] - inputs[$0] }
      sums.withUnsafeMutableBufferPointer { sums in
        MatrixProduct(rows: size, columns: size, depth: count)(
          .init(drifts, stride: size, transposed: true), .init(inputs, stride: size), into: sums.baseAddress!, stride: size)
      }
      Self.add(sums, to: &difference)
    }
    tokens += count
  }

  private static func add(_ sums: [Float], to totals: inout [Double]) {
    for index in totals.indices { totals[index] += Double(sums[index]) }
  }

  /// The mean of the diagonal of E[x̂ x̂ᵀ].
  package var meanSquare: Double {
    guard tokens > 0 else { return 0 }
    return (0..<size).reduce(0.0) { $0 + own[$1 * (size + 1)] } / Double(size) / Double(tokens)
  }

  /// E[x̂ x̂ᵀ], [size, size].
  package var mean: [Float] { own.map { Float($0 / Double(max(1, tokens))) } }

  /// The factor of E[x̂ x̂ᵀ], damped by a fraction of the mean of its diagonal; more, ten times at a go, as long as that is not enough.
  /// With an `order` of the inputs, that of the moment of inputs in that order.
  ///
  /// - Throws: `badInput` when the moment is not finite (MODEL-5).
  package func factor(damping: Double, order: [Int]? = nil) throws(LMToolError) -> SymmetricFactor {
    let mean = self.mean
    return try Self.factor(
      order.map { order in order.flatMap { row in order.map { mean[row * size + $0] } } } ?? mean, size: size, damping: damping)
  }

  /// The factor of a second moment [size, size], damped alike.
  ///
  /// - Throws: `badInput` when the moment is not finite (MODEL-5): no damping would be enough.
  package static func factor(_ moment: [Float], size: Int, damping: Double) throws(LMToolError) -> SymmetricFactor {
    guard moment.allSatisfy(\.isFinite) else { throw notFinite }
    let trace = (0..<size).reduce(0.0) { $0 + Double(moment[$1 * (size + 1)]) }
    let floor = max(trace / Double(size), 1e-30)
    var amount = damping
    while true {
      let factor = moment.withUnsafeBufferPointer { SymmetricFactor($0.baseAddress!, size: size, damping: amount * floor) }
      if let factor { return factor }
      amount *= 10
    }
  }

  static let notFinite = LMToolError(
    .badInput, "what enters it on the calibration text is not finite; the model is broken", rule: "MODEL-5")

  /// [size, size], E[(x - x̂) x̂ᵀ] S⁻¹ with the damped S of `factor`: what of the difference between the inputs of the two models the
  /// quantized one can predict. W (1 + M) is the least-squares answer to inputs that have drifted.
  package func drift(_ factor: SymmetricFactor) -> [Float] {
    var rows = difference.map { Float($0 / Double(max(1, tokens))) }
    rows.withUnsafeMutableBufferPointer { factor.solve($0.baseAddress!, count: size) }
    return rows
  }
}
