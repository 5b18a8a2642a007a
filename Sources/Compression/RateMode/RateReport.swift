import Tensors

/// How rate mode compressed a model: what was chosen for each tensor, what the file consists of, and what it costs in quality.
public struct RateReport: Codable, Sendable {
  /// A matrix.
  public struct Tensor: Codable, Sendable {
    /// Its name.
    public var name: String
    /// The part of the model it belongs to: "embedding", "attention", "mlp", "head".
    public var part: String
    /// Weights.
    public var parameters: Int
    /// Bits a weight, as they are coded.
    public var bits: Double
    /// How much the loss moves when its outputs do: mean squared gradient, measured end to end.
    public var sensitivity: Double
    /// The step of an input whose deviation, given the later inputs, is 1.
    public var step: Double
    /// The largest magnitude of a value.
    public var largest: Int
  }

  /// Quality on a text, the original's beside it.
  public struct Quality: Codable, Sendable {
    /// What text: "held-out calibration", or a path.
    public var text: String
    /// Tokens that were scored.
    public var tokens: Int
    /// Bits per byte of the original and of the artifact.
    public var bitsPerByteBefore: Double
    public var bitsPerByteAfter: Double
    /// Perplexities.
    public var perplexityBefore: Double
    public var perplexityAfter: Double
    /// KL(original ‖ artifact) in nats: the mean and the 99th percentile.
    public var divergence: Double
    public var divergence99: Double
    /// The fraction of positions at which both find the same token most likely.
    public var topAgreement: Double
  }

  /// The name and bytes of a part of the file: "embedding", "attention", "mlp", "norms", "tokenizer", "other".
  public struct Part: Codable, Sendable {
    public var name: String
    public var parameters: Int
    public var bytes: Int
  }

  /// The most bytes that were allowed.
  public var budget: Int?
  /// Bytes of the file.
  public var bytes: Int
  /// Bytes of the original.
  public var originalBytes: Int
  /// Parameters of the original, and of what is left after trimming.
  public var parameters: Int
  public var vocabularyBefore: Int
  public var vocabularyAfter: Int
  /// Why the vocabulary is as it is, in a sentence.
  public var vocabularyReason: String
  /// Tokens and windows of the calibration, and what they came from.
  public var calibrationTokens: Int
  /// The one knob: the step of an output whose sensitivity is 1.
  public var level: Double
  /// The parts of the file; their bytes add up to `bytes`.
  public var parts: [Part]
  /// The matrices, in the order of the model.
  public var tensors: [Tensor]
  /// Quality, one for each text.
  public var quality: [Quality]
  /// Seconds of each stage, in order: "calibration", "embedding", "layers", "packing", "evaluation".
  public var seconds: [String: Double]
}
