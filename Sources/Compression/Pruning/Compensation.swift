import Kernels
import Tensors

extension Moments {
  /// The matrix that reads only the inputs `kept` and comes as near as it can, in the mean square over the tokens, to the outputs of
  /// `matrix` [outputs, inputs]: W' = W E[x x̂ᵀ]_K (E[x̂ x̂ᵀ]_KK)⁻¹, with the inputs x of the original where it runs beside (PRUNE-3).
  /// Columns of other inputs are zero.
  ///
  /// - Parameter follow: how far the outputs of the original are aimed at, from those of the model's own inputs (0) to its (1).
  /// - Throws: `badInput` when the moments are not finite (MODEL-5).
  func compensated(_ matrix: [Float], keeping kept: [Int], damping: Double, follow: Float) throws(LMToolError) -> [Float] {
    let mean = self.mean
    guard !difference.isEmpty else { return try Self.fitted(matrix, mean, size: size, keeping: kept, damping: damping) }
    let scale = Double(follow) / Double(max(1, tokens))
    let cross = mean.indices.map { mean[$0] + Float(difference[$0] * scale) }
    return try Self.fitted(matrix, mean, cross: cross, size: size, keeping: kept, damping: damping)
  }

  /// The same for inputs with the second moment `moment` [size, size]; `cross` is E[x x̂ᵀ] where what the outputs are meant for differs.
  ///
  /// The damping λ stands for noise in the inputs that the weights, as they are, are meant for: it is added to both moments, so that a
  /// matrix that keeps all its inputs stays as it is.
  package static func fitted(
    _ matrix: [Float], _ moment: [Float], cross: [Float]? = nil, size: Int, keeping kept: [Int], damping: Double
  ) throws(LMToolError) -> [Float] {
    let outputs = matrix.count / max(1, size), count = kept.count
    let inner = kept.flatMap { row in kept.map { moment[row * size + $0] } }
    let factor = try factor(inner, size: count, damping: damping)
    let trace = (0..<count).reduce(0.0) { $0 + Double(inner[$1 * (count + 1)]) }
    let noise = Float(damping * max(trace / Double(max(1, count)), 1e-30))
    let full = cross ?? moment
    var targets = (0..<size).flatMap { row in kept.map { full[row * size + $0] } }
    for (column, input) in kept.enumerated() { targets[input * count + column] += noise }
    var left = [Float](repeating: 0, count: outputs * count)
    left.withUnsafeMutableBufferPointer { left in
      MatrixProduct(rows: outputs, columns: count, depth: size)(
        .init(matrix, stride: size), .init(targets, stride: count), into: left.baseAddress!, stride: count)
      factor.solve(left.baseAddress!, count: outputs)
    }
    var result = [Float](repeating: 0, count: matrix.count)
    for output in 0..<outputs {
      for (column, input) in kept.enumerated() { result[output * size + input] = left[output * count + column] }
    }
    return result
  }
}
