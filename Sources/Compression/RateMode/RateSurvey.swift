import Inference
import Kernels
import Models
import Quantization
import Tensors

/// Looks at the inputs of all matrices of the original: what rates and noises to expect of each.
final class RateSurvey: LayerwiseVisitor {
  /// Damping of second moments, as a fraction of the mean of their diagonal.
  private let damping: Double
  /// By tensor name.
  private(set) var profiles: [String: RateProfile] = [:]

  init(damping: Double) { self.damping = damping }

  func wantsMoments(of group: MatrixGroup) -> Bool { true }

  func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError) {
    guard let moments else { return }
    try moments.checkFinite(group)
    let deviations = try moments.factor(damping: damping).deviations
    for linear in group.linears {
      profiles[linear.weight.name] = RateProfile(matrices[linear.weight], rows: linear.outputs, deviations: deviations)
    }
  }

  /// The noise that quantization at a usual rate makes in the outputs of each matrix.
  var variances: [String: Double] { profiles.mapValues { $0.variance(step: $0.usualStep) } }
}
