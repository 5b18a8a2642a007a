import Inference
import Kernels
import Models
import Quantization
import Tensors

/// Quantizes the matrices of the layers to rate mode, one group after the other, behind the quantized ones before them.
final class RatePass: LayerwiseVisitor {
  /// How matrices are quantized.
  struct Options: Sendable, Equatable {
    /// Damping of second moments, as a fraction of the mean of their diagonal.
    var damping = 0.03
    /// How far targets move to the least-squares answer to inputs that have drifted: 0 keeps the weights, 1 goes all the way.
    var driftCorrection = 0.5
  }

  private let options: Options
  private let sensitivities: Sensitivities
  private let encoder: RateAccount

  init(options: Options, sensitivities: Sensitivities, account: RateAccount) {
    self.options = options
    self.sensitivities = sensitivities
    encoder = account
  }

  func wantsMoments(of group: MatrixGroup) -> Bool { true }

  func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError) {
    guard let moments else { return }
    try moments.checkFinite(group)
    let factor = try moments.factor(damping: options.damping)
    let inputs = RateQuantizer.Inputs(factor)
    let drift = moments.drift(factor)
    for linear in group.linears {
      let target = moved(matrices[linear.weight], rows: linear.outputs, by: drift)
      let step = encoder.level / (sensitivities.matrices[linear.weight.name] ?? 1).squareRoot()
      do throws(LMToolError) {
        let matrix = try encoder.quantizer.quantize(target, rows: linear.outputs, inputs: inputs, step: step)
        matrices[linear.weight] = try matrix.dequantized()
        try encoder.add(linear.weight.name, matrix)
      } catch {
        var error = error
        error.place = error.place ?? .tensor(linear.weight.name)
        throw error
      }
    }
  }

  /// W + correction · W M.
  private func moved(_ weights: [Float], rows: Int, by drift: [Float]) -> [Float] {
    guard options.driftCorrection > 0 else { return weights }
    let columns = weights.count / rows
    let shift = [Float](unsafeUninitializedCapacity: weights.count) { shift, count in
      weights.withUnsafeBufferPointer { weights in
        drift.withUnsafeBufferPointer { drift in
          MatrixProduct(rows: rows, columns: columns, depth: columns)(
            .init(weights.baseAddress!, stride: columns), .init(drift.baseAddress!, stride: columns), into: shift.baseAddress!,
            stride: columns)
        }
      }
      count = weights.count
    }
    let correction = Float(options.driftCorrection)
    return zip(weights, shift).map { $0 + correction * $1 }
  }
}
