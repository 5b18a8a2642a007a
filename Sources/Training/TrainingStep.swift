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

  /// The same of texts that have passed the layers before `layer`, whose parameters get no gradients.
  ///
  /// - Parameters:
  ///   - entering: what enters the layer, [tokens][width].
  ///   - reference: what the head of the teacher reads, [tokens][width]: `teacher.forward` of the same texts.
  public func addGradients(
    from layer: Int, _ entering: Floats, reference: Floats, window: Int, _ targets: LossTargets, total: Double
  ) -> LossSums {
    let record = model.pass(from: layer, entering, window: window)
    return loss.measure(record, reference, targets, scale: Float(1 / total), isTraining: true)
  }

  /// The gradient of the summed loss by what enters the first layer, [tokens][width]; it is added to those of the parameters, too.
  func gradient(ofEntering entering: Floats, window: Int, _ targets: LossTargets) -> Floats {
    loss.gradient(model.pass(from: 0, entering, window: window), targets)
  }

  /// The loss alone of such texts.
  public func evaluate(
    from layer: Int, _ entering: Floats, reference: Floats, window: Int, _ targets: LossTargets
  ) -> LossSums {
    let record = model.pass(from: layer, entering, window: window, isKept: false)
    return loss.measure(record, reference, targets, scale: 1, isTraining: false)
  }

  /// The loss alone.
  public func evaluate(_ tokens: [Int32], window: Int, _ targets: LossTargets) -> LossSums {
    loss.measure(tokens, window: window, targets, scale: 1, isTraining: false)
  }
}
