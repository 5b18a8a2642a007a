import Quantization

/// How many bits a matrix will take, before it is quantized: what its level is chosen by.
struct RateForecast: Sendable {
  /// Weights.
  var count: Int
  /// The step at which the matrix takes about `usualBits` a weight.
  var usualStep: Double

  /// Of a matrix of `count` weights and `inputs` columns, on whose outputs quantization at a usual rate adds this variance.
  init(count: Int, inputs: Int, noise: Double) {
    self.count = count
    usualStep = (noise / (Double(max(1, inputs)) * Self.errorInSquaredSteps)).squareRoot()
  }

  /// Of a matrix whose usual step is known.
  init(count: Int, usualStep: Double) {
    self.count = count
    self.usualStep = usualStep
  }

  /// What `usualStep` of a calibration means: `ExpectedNoise` of 0.267 squared steps, at log2 of the deviation in steps of 1.357.
  private static let errorInSquaredSteps = 0.267, usualSpread = 1.357

  /// Bits of the matrix when it is quantized with `step`.
  func bits(step: Double) -> Double {
    Self.bits(spread: Self.usualSpread + BinaryLogarithm.approximate(usualStep / step)) * Double(count)
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
