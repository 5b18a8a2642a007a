import Inference
import Kernels
import Models
import Quantization
import Tensors

/// Quantizes the matrices of a model on its way through a calibration text: every group knows its inputs as the quantized layers before it
/// make them.
final class FeedbackQuantizing: LayerwiseVisitor {
  private let recipe: QuantizationRecipe
  private let write: (TensorSpec, GridTensor) throws(LMToolError) -> Void

  /// What moments are damped by, as a fraction of the mean of their diagonal.
  private static let damping = 0.01

  /// - Parameter write: receives every matrix that is quantized, in the order of the model.
  init(_ recipe: QuantizationRecipe, write: @escaping (TensorSpec, GridTensor) throws(LMToolError) -> Void) {
    self.recipe = recipe
    self.write = write
  }

  func wantsMoments(of group: MatrixGroup) -> Bool { group.linears.contains { recipe.scheme(of: $0.weight) != nil } }

  func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError) {
    guard let moments else { return }
    try moments.checkFinite(group)
    let order = moments.largestFirst
    let feedback = try moments.factor(damping: Self.damping, order: order).feedback()
    for linear in group.linears {
      guard let scheme = recipe.scheme(of: linear.weight) else { continue }
      let quantizer = ErrorFeedback(scheme, order: order, feedback: feedback)
      let grid = try Self.quantize(matrices[linear.weight], linear.weight, quantizer)
      matrices[linear.weight] = grid.dequantized()
      try write(linear.weight, grid)
    }
  }

  private static func quantize(_ weights: [Float], _ spec: TensorSpec, _ quantizer: ErrorFeedback) throws(LMToolError)
    -> GridTensor
  {
    var outcome: Result<GridTensor, LMToolError>?
    weights.withUnsafeBufferPointer { weights in
      do throws(LMToolError) {
        outcome = .success(try quantizer.quantize(weights, rows: 0..<spec.shape[0], columns: spec.shape[1]))
      } catch {
        var error = error
        error.place = .tensor(spec.name)
        outcome = .failure(error)
      }
    }
    guard let outcome else { throw LMToolError(.bug, "nothing was quantized", at: .tensor(spec.name)) }
    return try outcome.get()
  }
}

extension Moments {
  /// Inputs by their mean square, the largest first: what matters most is rounded while the most columns can still make up for it.
  fileprivate var largestFirst: [Int] {
    (0..<size).sorted { (own[$1 * (size + 1)], $0) < (own[$0 * (size + 1)], $1) }
  }
}
