import Kernels
import Quantization

/// How wide the columns of a matrix are once their inputs are whitened: what its bits and its error depend on.
struct RateProfile: Sendable, Equatable {
  /// Elements of the matrix.
  var count: Int
  /// log2 of the deviation of the weights of each column times that of its input, given the inputs after it.
  var spreads: [Float]

  /// The profile of a matrix [rows, columns] whose inputs have these deviations.
  init(_ weights: [Float], rows: Int, deviations: [Double]) {
    let columns = deviations.count
    var squares = [Double](repeating: 0, count: columns)
    for row in 0..<rows {
      for column in 0..<columns {
        let weight = Double(weights[row * columns + column])
        squares[column] += weight * weight
      }
    }
    count = weights.count
    spreads = zip(squares, deviations).map { square, deviation in
      let product = (square / Double(max(1, rows))).squareRoot() * deviation
      return Float(BinaryLogarithm.approximate(max(product, 1e-30)))
    }
  }

  /// Error, in squared steps, that quantization adds to each input: measured on Gaussian sources at 2 to 3 bits.
  static let errorInSquaredSteps = 0.267
  /// log2 of the deviation of a Gaussian source in steps that takes 2.4 bits.
  private static let spreadOfUsualRate = 1.357

  /// The step, of a whitened input, at which the matrix takes about 2.4 bits a weight.
  var usualStep: Double {
    let mean = spreads.reduce(0.0) { $0 + Double($1) } / Double(max(1, spreads.count))
    return BinaryLogarithm.power(mean - Self.spreadOfUsualRate)
  }

  /// The variance that quantization with `step` adds to each output.
  func variance(step: Double) -> Double { Double(spreads.count) * Self.errorInSquaredSteps * step * step }

  /// Bits of the matrix when it is quantized with `step`.
  func bits(step: Double) -> Double {
    let level = BinaryLogarithm.approximate(step)
    let sum = spreads.reduce(0.0) { $0 + Self.bits(spread: Double($1) - level) }
    return sum / Double(max(1, spreads.count)) * Double(count)
  }

  /// Bits a weight of a Gaussian source by log2 of its deviation in steps, from -3 in halves of an octave; measured.
  private static let measured = [0.01, 0.05, 0.12, 0.24, 0.44, 0.70, 1.03, 1.51, 2.03, 2.55, 3.05]

  private static func bits(spread: Double) -> Double {
    let place = (spread + 3) * 2
    guard place > 0 else { return 0 }
    guard place < Double(measured.count - 1) else { return measured[measured.count - 1] + spread - 2 }
    let index = Int(place)
    return measured[index] + (measured[index + 1] - measured[index]) * (place - Double(index))
  }
}
