import Inference
import Models

/// What of a model is trained.
public enum TrainingPlan: Sendable, Equatable {
  /// Nothing: a teacher.
  case nothing
  /// Every number: a student.
  case everything
  /// Every number but those of embedding and head.
  case layers
  /// Factors of rows and of some columns, norms and biases, the numbers between them being frozen: what costs a quantized model next to
  /// no bytes. Matrices of a grid have a factor for each of their scales instead. Columns of what a norm or the rows of a matrix before scale already have none of their own.
  case factors
  /// Low-rank changes of the matrices of all layers (Hu et al. 2021).
  case lowRank(rank: Int, alpha: Float, seed: UInt64)

  /// What of a tensor is trained.
  ///
  /// - Parameter group: numbers of a row that share a scale, in a matrix of a grid.
  func training(of tensor: TensorSpec, _ values: Floats, group: Int?) -> TrainedTensor.Training {
    switch self {
    case .nothing: return .frozen
    case .everything: return .dense(Parameter(tensor.name, values, decays: tensor.isMatrix))
    case .layers:
      let isOutside = [.embedding, .head, .positions].contains(tensor.role)
      return isOutside ? .frozen : .dense(Parameter(tensor.name, values, decays: tensor.isMatrix))
    case .factors:
      guard tensor.isMatrix else { return .dense(Parameter(tensor.name, values, decays: false)) }
      if let group {
        return .groups(
          GroupFactors(
            tensor.name, base: Floats(values.array), rows: tensor.shape[0], columns: tensor.shape[1], width: group))
      }
      if [.positions, .projectIn, .projectOut].contains(tensor.role) { return .frozen }
      let factors = Factors(
        tensor.name, base: Floats(values.array), rows: tensor.shape[0], columns: tensor.shape[1],
        trainsColumns: [.attentionOutput, .embedding, .head].contains(tensor.role))
      return .factors(factors)
    case .lowRank(let rank, let alpha, let seed):
      guard tensor.isMatrix, tensor.layer != nil else { return .frozen }
      let rows = tensor.shape[0], columns = tensor.shape[1]
      return .lowRank(
        LowRank(
          tensor.name, base: Floats(values.array), rows: rows, columns: columns, rank: rank, alpha: alpha,
          down: Self.initial(tensor, count: rank * columns, inputs: columns, seed: seed)))
    }
  }

  /// Uniform numbers as PEFT starts from: the bound is sqrt(1 / inputs) (Kaiming with a = sqrt 5).
  private static func initial(_ tensor: TensorSpec, count: Int, inputs: Int, seed: UInt64) -> [Float] {
    let name = tensor.name.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    var random = Random(seed: name)
    let bound = Float((1 / Double(inputs)).squareRoot())
    return (0..<count).map { _ in Float(2 * random.unit() - 1) * bound }
  }
}
