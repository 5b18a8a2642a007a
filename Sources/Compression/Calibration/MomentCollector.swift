import Inference
import Kernels
import Models
import Quantization
import Tensors

/// Takes the second moments of a pass over the original: saves them, and estimates how much noise quantization will make.
final class MomentCollector: LayerwiseVisitor {
  /// The variance of the noise on an output of each matrix, by tensor name.
  private(set) var variances: [String: Double] = [:]
  /// Of each group, in the order of computation.
  private(set) var effectiveRanks: [Double] = []
  private let writer: CalibrationWriter?

  init(_ source: ModelSource, writer: CalibrationWriter?) { self.writer = writer }

  func wantsMoments(of group: MatrixGroup) -> Bool { true }

  func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError) {
    guard let moments else { return }
    try moments.checkFinite(group)
    let mean = moments.mean
    try writer?.write(mean, size: moments.size)
    effectiveRanks.append(Self.effectiveRank(mean, size: moments.size))
    let deviations = try moments.factor(damping: ExpectedNoise.damping).deviations
    for linear in group.linears {
      variances[linear.weight.name] = ExpectedNoise.variance(of: matrices[linear.weight], deviations: deviations)
    }
  }

  /// tr(S)² / tr(S²).
  private static func effectiveRank(_ moment: [Float], size: Int) -> Double {
    let trace = (0..<size).reduce(0.0) { $0 + Double(moment[$1 * (size + 1)]) }
    let square = moment.reduce(0.0) { $0 + Double($1) * Double($1) }
    return square > 0 ? trace * trace / square : 0
  }
}

extension Moments {
  /// Refuses the moments of inputs that are not finite, or so large that their squares are not (MODEL-5).
  func checkFinite(_ group: MatrixGroup) throws(LMToolError) {
    guard own.allSatisfy(\.isFinite), difference.allSatisfy(\.isFinite) else {
      var error = Self.notFinite
      error.place = .tensor(group.linears[0].weight.name)
      throw error
    }
  }
}

/// How much noise quantization at about two bits a weight makes on the outputs of a matrix.
enum ExpectedNoise {
  /// What moments are damped by, as a fraction of the mean of their diagonal.
  static let damping = 0.03

  /// The variance on each output of `matrix` [outputs, inputs], whose inputs have these deviations, given the inputs after each.
  ///
  /// Where steps are spaced inversely to the deviations, every input adds the same; the step that all share is about 0.39 of the
  /// geometric mean of what the weights of an input make of its deviation, and its noise 0.267 of the step squared.
  static func variance(of matrix: [Float], deviations: [Double]) -> Double {
    let inputs = deviations.count, outputs = matrix.count / max(1, inputs)
    var squares = [Double](repeating: 0, count: inputs)
    for row in 0..<outputs {
      for input in 0..<inputs { squares[input] += Double(matrix[row * inputs + input]) * Double(matrix[row * inputs + input]) }
    }
    let products = zip(squares, deviations).map { ($0 / Double(max(1, outputs))).squareRoot() * $1 }
    let step = 0.39 * geometricMean(products.filter { $0 > 0 })
    return max(Double(inputs) * 0.267 * step * step, 1e-30)
  }

  /// The geometric mean of positive numbers; zero of none.
  private static func geometricMean(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    return BinaryLogarithm.power(values.reduce(0.0) { $0 + BinaryLogarithm.approximate($1) } / Double(values.count))
  }
}
