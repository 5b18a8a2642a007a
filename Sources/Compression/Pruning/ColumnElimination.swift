import Kernels
import Tensors

/// What a matrix loses when inputs of it are taken away, and the weights of those that are left make up for it as well as they can: the
/// surgeon's rule (Hassibi and Stork 1993; Kurtic et al., "ZipLM", 2023).
///
/// With P the inverse of the second moment of the inputs that are left, taking input c away adds |w_c|² / P_cc to the mean square of the
/// outputs' error, and changes weights and inverse by one outer product each.
package final class ColumnElimination {
  /// Inputs of the matrix at first.
  package let inputs: Int
  private let outputs: Int
  /// [outputs, inputs]; columns that are gone hold zeros, near enough.
  private let weights: UnsafeMutablePointer<Double>
  /// [inputs, inputs], P.
  private let inverse: UnsafeMutablePointer<Double>
  /// The squared length of every column.
  private let squares: UnsafeMutablePointer<Double>
  private var isGone: [Bool]

  /// - Parameters:
  ///   - matrix: [outputs, factor.size].
  ///   - factor: of the second moment of its inputs, damped.
  package init(_ matrix: [Float], factor: SymmetricFactor) {
    inputs = factor.size
    outputs = matrix.count / max(1, inputs)
    let inputs = self.inputs, outputs = self.outputs
    weights = .allocate(capacity: max(1, matrix.count))
    inverse = .allocate(capacity: max(1, inputs * inputs))
    squares = .allocate(capacity: max(1, inputs))
    squares.initialize(repeating: 0, count: inputs)
    isGone = Array(repeating: false, count: inputs)
    for index in matrix.indices { weights[index] = Double(matrix[index]) }
    var identity = [Float](repeating: 0, count: inputs * inputs)
    for index in 0..<inputs { identity[index * (inputs + 1)] = 1 }
    identity.withUnsafeMutableBufferPointer { factor.solve($0.baseAddress!, count: inputs) }
    for index in identity.indices { inverse[index] = Double(identity[index]) }
    for row in 0..<outputs {
      for column in 0..<inputs { squares[column] += weights[row * inputs + column] * weights[row * inputs + column] }
    }
  }

  deinit {
    weights.deallocate()
    inverse.deallocate()
    squares.deallocate()
  }

  /// What taking an input away adds to the mean square of the outputs' error.
  package func cost(of input: Int) -> Double { squares[input] / inverse[input * (inputs + 1)] }

  /// The input that costs least, of those that are left.
  package func cheapest() -> Int? {
    (0..<inputs).lazy.filter { !self.isGone[$0] }.min { self.cost(of: $0) < self.cost(of: $1) }
  }

  /// What taking some inputs away together adds: tr(W_B P_BB⁻¹ W_Bᵀ).
  package func cost(of block: [Int]) -> Double {
    let size = block.count
    var lower = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in 0...row {
        var sum = inverse[block[row] * inputs + block[column]]
        for k in 0..<column { sum -= lower[row * size + k] * lower[column * size + k] }
        lower[row * size + column] = row == column ? max(sum, 1e-300).squareRoot() : sum / lower[column * size + column]
      }
    }
    let weights = self.weights, inputs = self.inputs
    var sums = [Double](repeating: 0, count: outputs)
    sums.withUnsafeMutableBufferPointer { sums in
      lower.withUnsafeBufferPointer { lower in
        let sums = sums, lower = lower
        ThreadPool.shared.forEach(outputs) { output in
          var solved = [Double](repeating: 0, count: size)
          for row in 0..<size {
            var value = weights[output * inputs + block[row]]
            for k in 0..<row { value -= lower[row * size + k] * solved[k] }
            solved[row] = value / lower[row * size + row]
            sums[output] += solved[row] * solved[row]
          }
        }
      }
    }
    return sums.reduce(0, +)
  }

  /// Takes an input away.
  package func remove(_ input: Int) {
    isGone[input] = true
    let inputs = self.inputs, outputs = self.outputs, weights = self.weights, inverse = self.inverse, squares = self.squares
    let isGone = self.isGone, pivot = inverse[input * (inputs + 1)]
    let row = (0..<inputs).map { inverse[input * inputs + $0] }
    let column = (0..<outputs).map { weights[$0 * inputs + input] / pivot }
    row.withUnsafeBufferPointer { row in
      let row = row
      let piece = 128
      ThreadPool.shared.forEach((inputs + piece - 1) / piece) { index in
        let first = index * piece, last = min(first + piece, inputs)
        for j in first..<last { squares[j] = 0 }
        for output in 0..<outputs {
          let factor = column[output], line = weights + output * inputs
          for j in first..<last {
            line[j] -= factor * row[j]
            squares[j] += line[j] * line[j]
          }
        }
      }
      ThreadPool.shared.forEach((inputs + 15) / 16) { index in
        for i in index * 16..<min(index * 16 + 16, inputs) where !isGone[i] {
          let factor = row[i] / pivot, line = inverse + i * inputs
          for j in 0..<inputs { line[j] -= factor * row[j] }
        }
      }
    }
  }
}
