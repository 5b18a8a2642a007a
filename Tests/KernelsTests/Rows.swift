import Kernels
import TestSupport
import Testing

/// Random rows of activations.
struct Rows {
  let tokens: Int
  let inputs: Int
  var x: [Float]

  /// - Parameter wholeCodes: values that 8 bits hold exactly.
  init(tokens: Int, inputs: Int, wholeCodes: Bool = false) {
    self.tokens = tokens
    self.inputs = inputs
    var noise = Noise(7)
    x = noise.floats(tokens * inputs)
    guard wholeCodes else { return }
    for index in x.indices {
      let isFirst = index % inputs % 32 == 0
      x[index] = 0.25 * (isFirst ? 127 : (x[index] * 127).rounded())
    }
  }

  /// y[tokens][outputs] by the kernels in use.
  func product(_ matrix: WeightMatrix, peaks: Bool = false) -> [Float] { product(Projection([matrix], keepsPeaks: peaks)) }

  /// The same for matrices side by side.
  func product(_ projection: Projection) -> [Float] {
    let activations = Activations(rows: tokens, width: inputs, codings: projection.codingCount)
    activations.floats.update(from: x, count: x.count)
    projection.prepare(activations, rows: 0..<tokens)
    var y = [Float](repeating: .nan, count: tokens * projection.outputs)
    projection.multiply(activations, tokens: tokens, into: &y)
    return y
  }

  /// The product of the rows with a row-major matrix in double precision, and the sum of its terms' magnitudes.
  func exactProduct(_ matrix: [Float], outputs: Int) -> [(value: Double, magnitude: Double)] {
    (0..<tokens * outputs).map { index in
      var value = 0.0, magnitude = 0.0
      for k in 0..<inputs {
        let term = Double(matrix[index % outputs * inputs + k]) * Double(x[index / outputs * inputs + k])
        value += term
        magnitude += term.magnitude
      }
      return (value, magnitude)
    }
  }
}

/// Expects `values` to be as near to the exact ones as `relative` of the magnitudes that were added.
func expectClose(
  _ values: [Float], _ exact: [(value: Double, magnitude: Double)], relative: Double,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(values.count == exact.count, sourceLocation: sourceLocation)
  for (value, exact) in zip(values, exact) {
    #expect(abs(Double(value) - exact.value) <= relative * exact.magnitude + 1e-30, sourceLocation: sourceLocation)
  }
}
