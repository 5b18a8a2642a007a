import Models
import Tensors

/// What a model is calibrated on.
public struct CalibrationOptions: Sendable, Equatable {
  /// A calibration that was saved before, instead of text.
  public var file: String?
  /// Paths of text files.
  public var texts: [String] = []
  /// Paths of files of conversations, one JSON object to the line.
  public var chats: [String] = []
  /// Tokens in all, or of the files; nil for as many as are useful and memory has room for.
  public var tokens: Int?
  /// Tokens of the model's own samples beside files; nil for none.
  public var ownSamples: Int?
  /// Tokens of a window; nil for 512, or the model's context where that is shorter.
  public var window: Int?
  /// The seed of the model's own samples.
  public var seed: UInt64 = 0

  /// The model's own samples.
  public init() {}

  /// Tokens of text or chats, where nobody says otherwise.
  public static let usualTokens = 65_536
  /// Tokens of the model's own samples, which take longer to make than to use.
  public static let usualSamples = 49_152
  /// Tokens of a window, where nobody says otherwise.
  public static let usualWindow = 512
  /// The fewest tokens of a window: fewer are no text.
  static let leastWindow = 16
  /// The most tokens in all.
  static let mostTokens = 1 << 24
  /// Bytes that the activations of all tokens may take, for a model and its original beside it.
  private static let memory = 1_200_000_000

  /// Whether the model samples its own text.
  public var isOwnSamples: Bool { texts.isEmpty && chats.isEmpty }

  /// Refuses what contradicts itself, or the model.
  func validate(for spec: ModelSpec) throws(LMToolError) {
    func require(_ holds: Bool, _ message: String) throws(LMToolError) {
      if !holds { throw LMToolError(.usage, message) }
    }
    try require(
      file == nil || (isOwnSamples && tokens == nil && ownSamples == nil && window == nil),
      "--calibration names a calibration that is finished; --text, --chats, --tokens, --own-samples and --window make a new one")
    let shortest = Self.leastWindow, longest = spec.contextLength
    try require(
      window.map { (min(shortest, longest)...longest).contains($0) } ?? true,
      "--window must be from \(shortest) to \(longest), the context of the model")
    for (name, count) in [("--tokens", tokens), ("--own-samples", ownSamples)] {
      try require(
        count.map { (shortest...Self.mostTokens).contains($0) } ?? true, "\(name) must be from \(shortest) to \(Self.mostTokens)")
    }
    try require(
      ownSamples == nil || !isOwnSamples,
      "--own-samples are mixed in beside --text and --chats; without these all is sampled, and --tokens says how much")
  }

  /// Tokens of a window for a model, at most all that are wanted.
  func windowLength(for spec: ModelSpec) -> Int {
    max(1, min(window ?? min(Self.usualWindow, spec.contextLength), tokens ?? Int.max))
  }

  /// Tokens for a model, own samples beside files not among them; without a wish, no more than memory has room for.
  func tokenCount(for spec: ModelSpec) -> Int {
    if let tokens { return tokens }
    let widest = spec.layers.map { max($0.attention.output.inputs, $0.mlp.down.inputs) }.max() ?? 1
    let room = Self.memory / (2 * 4 * (spec.width + widest)) - (ownSamples ?? 0)
    return max(Self.leastWindow, min(isOwnSamples ? Self.usualSamples : Self.usualTokens, room))
  }
}
