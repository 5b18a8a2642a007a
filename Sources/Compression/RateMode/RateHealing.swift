import Models
import OrderedCollections
import Tensors
import Training

/// Heals a model in rate mode at the end of a compression: its steps, norms and biases learn from the original what its integers lost.
struct RateHealing {
  private let student: TrainedModel

  /// Bytes that the file grows by for a row or a column whose step was trained: three bits of its fine code, and a code of its own where
  /// neighbours had the same.
  private static let bytesPerStep = 0.85

  /// Bytes that healing is expected to take.
  static func bytes(_ spec: ModelSpec) -> Int {
    let lines = spec.tensors.filter(\.isMatrix).reduce(0) { $0 + $1.shape[0] + $1.shape[1] }
    return Int(Double(lines) * bytesPerStep)
  }

  /// Trains `model` towards its original on the windows of a calibration.
  ///
  /// - Parameter folder: keeps the state of training, to go on after an interruption.
  /// - Throws: `badInput` for too little text.
  init(
    _ model: ModelSource, teacher: ModelSource, windows: TokenWindows, _ options: DistillingOptions, folder: JobFolder?,
    progress: ProgressConsumer?
  ) throws(LMToolError) {
    let distilling = try Distilling(
      student: model, teacher: teacher, text: CalibrationText(windows, name: "calibration"), options,
      output: folder.map { $0.path + "/healed" } ?? "", workFolder: folder.map { $0.path + "/healing" }, progress: progress)
    try distilling.run(progress: progress)
    student = distilling.student
  }

  /// A model of the same matrices with what was trained.
  func healed(_ model: ModelSource) throws(LMToolError) -> ModelSource { try model.with(student) }
}
