/// One step's worth of work: losses and gradients over some texts, alone or beside a teacher.
public struct TrainingStep {
  private let loss: VocabularyLoss
  /// The model that is trained.
  public let model: TrainedModel

  /// Training of `model` towards a teacher of the same vocabulary, or towards the text alone.
  public init(_ model: TrainedModel, teacher: TrainedModel? = nil, options: LossOptions = LossOptions()) {
    self.model = model
    loss = VocabularyLoss(model: model, teacher: teacher, options: options)
  }

  /// Adds the gradients of the mean loss of `total` tokens; these texts are part of them.
  public func addGradients(_ tokens: [Int32], window: Int, _ targets: LossTargets, total: Double) -> LossSums {
    loss.measure(tokens, window: window, targets, scale: Float(1 / total), isTraining: true)
  }

  /// The loss alone.
  public func evaluate(_ tokens: [Int32], window: Int, _ targets: LossTargets) -> LossSums {
    loss.measure(tokens, window: window, targets, scale: 1, isTraining: false)
  }
}
