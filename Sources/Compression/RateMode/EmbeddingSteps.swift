import Kernels
import Quantization

/// The steps of the rows of an embedding that is also the head: what a token's row does to the loss as an output, and as an input.
///
/// Rows matter by how often their token is said and read, but a plain weight by frequency destroys the model: most of the weight is the same
/// for all rows, and no row counts more than fifty times the mean.
package enum EmbeddingSteps {
  /// How much of the sensitivity that is measured counts: errors of the embedding add up less than those of other matrices.
  private static let strength = 0.5

  /// The step of each row relative to that of a matrix with sensitivity 1.
  ///
  /// - Parameters:
  ///   - frequencies: how often each token occurs in the calibration text, as a fraction.
  ///   - deviations: of the inputs of the head.
  ///   - isHead: whether the embedding is the head too.
  package static func rowFactors(
    _ sensitivities: Sensitivities, frequencies: [Double], deviations: [Double], isHead: Bool, isInput: Bool
  ) -> [Double] {
    let count = Double(max(1, frequencies.count))
    let mean = sensitivities.logits.reduce(0.0) { $0 + Double($1) } / count
    let square = deviations.reduce(0.0) { $0 + 1 / ($1 * $1) } / Double(max(1, deviations.count))
    return frequencies.indices.map { token in
      let output = isHead ? 0.25 * min(Double(sensitivities.logits[token]), 50 * mean) + 0.75 * mean : 0
      let input = isInput ? 0.25 * (frequencies[token] + 1 / count) * sensitivities.embedding * square : 0
      return 1 / (strength * max(output + input, 1e-30)).squareRoot()
    }
  }
}
