/// Numbers that training moves, and the gradient of the loss by each.
public final class Parameter: @unchecked Sendable {
  /// What they are: the name of a tensor, with what is trained of it.
  public let name: String
  /// The numbers.
  public let values: Floats
  /// The gradient, summed over a step.
  public let gradient: Floats
  /// Whether weight decay pulls them to 0: matrices, not norms, biases and factors.
  public let decays: Bool
  /// How fast they learn beside others.
  public let pace: Float

  /// Numbers to be trained.
  init(_ name: String, _ values: Floats, decays: Bool, pace: Float = 1) {
    self.name = name
    self.values = values
    self.decays = decays
    self.pace = pace
    gradient = Floats(count: values.count)
  }
}
