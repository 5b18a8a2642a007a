import Tensors
import Training

/// How a model is trained.
public struct DistillingOptions: Sendable, Equatable {
  /// What of it is trained.
  public var plan = TrainingPlan.factors
  /// The loss.
  public var loss = LossOptions()
  /// How parameters are moved.
  public var optimizer = AdamWOptions()
  /// Texts of a step.
  public var batch = 4
  /// Texts that pass together, which bounds memory; a step has as many passes as it takes.
  public var together = 4
  /// Texts that are kept aside to judge by.
  public var heldOut = 8
  /// Tokens to train on at most.
  public var maximumTokens: Int?
  /// Seconds to train at most.
  public var maximumSeconds: Double?
  /// Steps between two looks at the texts that are kept aside.
  public var interval = 20
  /// Looks without a better result after which training stops.
  public var patience = 5
  /// The start of the random order of texts.
  public var seed: UInt64 = 0
  /// Whether layers are computed again on the way back rather than kept.
  public var recomputes = false
  /// Whether products round to bf16: twice as fast where the processor has instructions for it.
  public var usesBF16 = false

  /// The usual options.
  public init() {}

  /// The learning rate of steps, norms and biases, where nobody says otherwise.
  public static let healingRate = 2e-3

  /// What heals a quantized model.
  public static var healing: DistillingOptions {
    var options = DistillingOptions()
    options.optimizer.rate = healingRate
    options.usesBF16 = true
    return options
  }

  /// Whether neither time nor tokens end it: then two epochs do.
  var isEndless: Bool { maximumTokens == nil && maximumSeconds == nil }

  /// Fraction of the training during which the rate rises.
  static let warmUp = 0.03

  /// The rate at a fraction of the training: a short rise, then a cosine to zero.
  func rate(at fraction: Double) -> Double {
    if fraction < Self.warmUp { return optimizer.rate * (fraction + 1e-3) / (Self.warmUp + 1e-3) }
    return optimizer.rate * Self.cosine((min(fraction, 1) - Self.warmUp) / (1 - Self.warmUp))
  }

  /// (1 + cos πx) / 2 for x in 0...1, by a polynomial: the same on every machine.
  private static func cosine(_ x: Double) -> Double {
    let a = (x - 0.5) * Double.pi, square = a * a
    let sine = a * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72 * (1 - square / 110)))))
    return (1 - sine) / 2
  }
}
