import Kernels
import Models
import Quantization
import Tensors

/// An embedding, a head, or both in one: what its rows are quantized with.
///
/// Rows matter by how often their token is said and read, but a plain weight by frequency destroys the model: most of the weight is the same
/// for all rows, and no row counts more than fifty times the mean.
package struct EmbeddingPart {
  /// The matrix.
  let spec: TensorSpec
  /// The statistics of what a head multiplies; an embedding that is none has no inputs but itself.
  let inputs: RateQuantizer.Inputs
  /// The step at level 1: the middle of those of all rows.
  let scale: Double
  /// What the rows cost beside each other.
  let outputs: RateQuantizer.Outputs
  /// How many bits to expect.
  let forecast: RateForecast

  /// How much of the sensitivity that is measured counts: errors of the embedding add up less than those of other matrices. But the layers
  /// behind one that was quantized learn to make up for it, and nothing does for the head.
  private static let strength = 0.5, strengthBesideTraining = 0.8
  /// The deviation of the weights of an embedding that nothing is known of.
  private static let usualDeviation = 0.1

  /// - Parameter trains: whether layers are trained after the embedding is quantized.
  init(
    _ spec: TensorSpec, _ calibration: Calibration, frequencies: [Double], damping: Double, isHead: Bool, isInput: Bool,
    trains: Bool
  ) throws(LMToolError) {
    self.spec = spec
    let rows = spec.shape[0], columns = spec.shape[1]
    if isHead {
      inputs = RateQuantizer.Inputs(try Moments.factor(calibration.headMoment, size: columns, damping: damping))
    } else {
      inputs = RateQuantizer.Inputs(
        deviations: [Double](repeating: 1, count: columns), feedback: [Float](repeating: 0, count: columns * columns))
    }
    let steps = Self.steps(
      calibration.sensitivities, frequencies: frequencies, deviations: inputs.deviations, isHead: isHead, isInput: isInput)
    outputs = RateQuantizer.Outputs(costs: steps.map { 1 / ($0 * $0) })
    scale = outputs.factor / (trains ? Self.strengthBesideTraining : Self.strength).squareRoot()
    let deviations = inputs.deviations.reduce(0.0) { $0 + BinaryLogarithm.approximate(max($1, 1e-30)) } / Double(max(1, columns))
    forecast = RateForecast(
      count: rows * columns, usualStep: Self.usualDeviation * BinaryLogarithm.power(deviations) * 0.39)
  }

  /// The step of each row at level 1, were all of the sensitivity to count.
  ///
  /// - Parameters:
  ///   - frequencies: how often each token occurs in the calibration text, as a fraction.
  ///   - deviations: of the inputs of the head.
  package static func steps(
    _ sensitivities: Sensitivities, frequencies: [Double], deviations: [Double], isHead: Bool, isInput: Bool
  ) -> [Double] {
    let count = Double(max(1, frequencies.count))
    let mean = sensitivities.logits.reduce(0.0) { $0 + Double($1) } / count
    let square = deviations.reduce(0.0) { $0 + $1 * $1 } / Double(max(1, deviations.count))
    return frequencies.indices.map { token in
      let output = isHead ? 0.25 * min(Double(sensitivities.logits[token]), 50 * mean) + 0.75 * mean : 0
      let input = isInput ? 0.25 * (frequencies[token] + 1 / count) * sensitivities.embedding / square : 0
      return 1 / max(output + input, 1e-30).squareRoot()
    }
  }
}
