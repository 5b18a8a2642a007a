import Inference
import Kernels
import Models
import Quantization
import Tensors

/// How matrices are quantized in rate mode.
public struct RateOptions: Sendable, Equatable {
  /// Damping of second moments, as a fraction of the mean of their diagonal.
  public var damping = 0.03
  /// How far targets move to the least-squares answer to inputs that have drifted: 0 keeps the weights, 1 goes all the way.
  public var driftCorrection = 0.5
  /// How layers that are left are trained behind those that are quantized; nil for not at all.
  public var training: SuffixTrainingOptions?
  /// How steps, norms and biases are trained at the end; nil for not at all.
  public var healing: DistillingOptions?
  /// Files to train on, beside the calibration; `tokens` of them at most.
  public var trainingText: CalibrationOptions?

  /// Tokens of the files to train on, where nobody says otherwise.
  public static let usualTrainingTokens = 1 << 19

  /// The usual options.
  public init() {}
}

/// What the last matrix of a model was made from.
struct LastMatrix {
  /// Of the tensor.
  var name: String
  /// [rows, columns]
  var target: [Float]
  /// Outputs.
  var rows: Int
  /// Of what enters it.
  var inputs: RateQuantizer.Inputs
  /// Of what it gives.
  var outputs: RateQuantizer.Outputs?
}

/// Quantizes the matrices of the layers to rate mode, one group after the other, behind the quantized ones before them.
final class RatePass: LayerwiseVisitor {
  private let options: RateOptions
  private let account: RateAccount
  private let work: RateWork?
  private let source: ModelSource
  private let training: SuffixTraining?
  private let statistics: OutputStatistics
  /// What the last matrix was made from, for fitting the file to the last byte.
  private(set) var last: LastMatrix?
  private let lastGroup: (layer: Int, kind: MatrixGroup.Kind)

  /// - Parameters:
  ///   - statistics: of the outputs of `source`.
  ///   - training: trains the layers of `source` that are left, before each of them.
  init(
    _ source: ModelSource, options: RateOptions, account: RateAccount, work: RateWork?, statistics: OutputStatistics,
    training: SuffixTraining? = nil
  ) {
    self.statistics = statistics
    self.source = source
    self.options = options
    self.account = account
    self.work = work
    self.training = training
    lastGroup = (source.spec.layers.count - 1, .mlpChannels)
  }

  func begin(layer: Int) throws(LMToolError) -> ModelSource? {
    guard let training else { return nil }
    if layer > 0 {
      training.leave(layer - 1)
      try training.train(from: layer)
    }
    return training.source(source, layer: layer)
  }

  private func isLast(_ group: MatrixGroup) -> Bool { group.layer == lastGroup.layer && group.kind == lastGroup.kind }

  func wantsMoments(of group: MatrixGroup) -> Bool {
    isLast(group) || !group.linears.allSatisfy { work?.has($0.weight.name) ?? false }
  }

  func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError) {
    guard let moments else {
      for linear in group.linears { try restore(linear, &matrices) }
      return
    }
    try moments.checkFinite(group)
    let factor = try moments.factor(damping: options.damping)
    let inputs = RateQuantizer.Inputs(factor)
    let drift = options.driftCorrection > 0 ? moments.drift(factor) : []
    let level = account.level
    for linear in group.linears {
      let target = moved(matrices[linear.weight], rows: linear.outputs, by: drift)
      let outputs = statistics.outputs[linear.weight.name]
      if isLast(group) {
        last = LastMatrix(name: linear.weight.name, target: target, rows: linear.outputs, inputs: inputs, outputs: outputs)
      }
      do throws(LMToolError) {
        let matrix = try account.quantizer.quantize(
          target, rows: linear.outputs, inputs: inputs, step: level * account.scale(linear.weight.name),
          outputs: outputs)
        try account.add(linear.weight.name, matrix, level: level)
        try work?.save(linear.weight.name, matrix, level: level)
        let floats = try matrix.dequantized()
        matrices[linear.weight] = floats
        training?.replace(linear.weight.name, floats)
      } catch { throw error.at(linear.weight.name) }
    }
  }

  private func restore(_ linear: LinearSpec, _ matrices: inout LayerMatrices) throws(LMToolError) {
    guard let (matrix, level) = try work?.load(linear.weight.name, shape: linear.weight.shape) else {
      throw LMToolError(.bug, "neither moments nor a saved matrix", at: .tensor(linear.weight.name))
    }
    try account.add(linear.weight.name, matrix, level: level)
    let floats = try matrix.dequantized()
    matrices[linear.weight] = floats
    training?.replace(linear.weight.name, floats)
  }

  /// W + correction · W M; zeros of a sparse matrix stay zeros.
  private func moved(_ weights: [Float], rows: Int, by drift: [Float]) -> [Float] {
    guard !drift.isEmpty else { return weights }
    let columns = weights.count / rows
    var shift = [Float](repeating: 0, count: weights.count)
    shift.withUnsafeMutableBufferPointer { shift in
      MatrixProduct(rows: rows, columns: columns, depth: columns)(
        .init(weights, stride: columns), .init(drift, stride: columns), into: shift.baseAddress!, stride: columns)
    }
    let correction = Float(options.driftCorrection), keepsZeros = RateQuantizer.isSparse(weights)
    return zip(weights, shift).map { keepsZeros && $0 == 0 ? 0 : $0 + correction * $1 }
  }
}

extension LMToolError {
  /// The same error, said of tensor `name` if no place was named yet.
  func at(_ name: String) -> LMToolError {
    var error = self
    error.place = error.place ?? .tensor(name)
    return error
  }
}
