/// How layers that are not quantized yet are trained to make up for those that are.
public struct SuffixTrainingOptions: Sendable, Equatable {
  /// How long.
  public enum Length: Sendable, Equatable {
    /// So many seconds in all, whatever they are enough for.
    case seconds(Double)
    /// So many tokens behind every layer: the same result on every machine.
    case tokens(Int)
  }

  /// How long.
  public var length: Length
  /// The learning rate at its highest; nil for `usualRate`.
  public var rate: Double?
  /// Tokens of a step, about: as many texts as come nearest.
  public var stepTokens = 1024
  /// The start of the random order of texts.
  public var seed: UInt64 = 0
  /// Whether products round to bf16: twice as fast where the processor has instructions for it.
  public var usesBF16 = true

  /// The usual options.
  public init(_ length: Length) { self.length = length }

  /// The learning rate where nobody says otherwise. What a step does to the outputs of a matrix grows with its inputs, so the rate falls
  /// with the width (Yang et al. 2022).
  public static func usualRate(width: Int) -> Double { 0.0175 / Double(width) }
}

/// How the training behind one layer went.
public struct SuffixTrainingStage: Codable, Sendable, Equatable {
  /// The first layer that was trained; those before it are quantized.
  public var layer: Int
  /// Steps.
  public var steps: Int
  /// KL(original ‖ model) in nats on the texts of the first steps, as they came.
  public var before: Double
  /// The same of the last steps.
  public var after: Double

  /// Steps that `before` and `after` are means of, at most.
  static let sampled = 8
}
