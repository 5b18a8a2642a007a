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
    /// Bits per byte of the original.
    public var bitsPerByteBefore: Double
    /// Bits per byte of the artifact.
    public var bitsPerByteAfter: Double
    /// Perplexity of the original.
    public var perplexityBefore: Double
    /// Perplexity of the artifact, for a token of the original.
    public var perplexityAfter: Double
    /// KL(original ‖ artifact) in nats: the mean over positions.
    public var divergence: Double
    /// The 99th percentile of the same.
    public var divergence99: Double
    /// The fraction of positions at which both find the same token most likely.
    public var topAgreement: Double

    /// The perplexity of the artifact, divided by the original's.
    public var perplexityRatio: Double { perplexityAfter / perplexityBefore }
  }

  /// A part of the file.
  public struct Part: Codable, Sendable {
    /// "embedding", "attention", "mlp", "norms", "tokenizer", "other".
    public var name: String
    /// Weights; 0 where there are none.
    public var parameters: Int
    /// Bytes in the file.
    public var bytes: Int
  }

  /// What is left of the layers.
  public struct Structure: Codable, Sendable {
    /// Parts of one kind.
    public struct Part: Codable, Sendable {
      /// "layers", "channels of MLPs", "heads of keys and values".
      public var name: String
      /// How many there were, in all layers.
      public var before: Int
      /// How many are left.
      public var after: Int
    }

    /// The parts.
    public var parts: [Part]
    /// Why, in a few words without a full stop.
    public var reason: String

    /// What went, and the reason, in a few words without a full stop.
    public var text: String {
      let gone = parts.filter { $0.after < $0.before }.map { "\($0.before - $0.after) of \($0.before) \($0.name)" }
      return gone.isEmpty ? reason : gone.joined(separator: ", ") + " given up: " + reason
    }
  }

  /// The original, by the path that was opened.
  public var model: String?
  /// The most bytes that were allowed.
  public var budget: Int?
  /// Bytes of the file.
  public var bytes: Int
  /// Bytes of the original.
  public var originalBytes: Int
  /// Parameters of the original.
  public var parameters: Int
  /// Tokens of the original's vocabulary.
  public var vocabularyBefore: Int
  /// Tokens that are left.
  public var vocabularyAfter: Int
  /// Why the vocabulary is as it is, in a few words without a full stop.
  public var vocabularyReason: String
  /// What is left of the layers.
  public var structure: Structure?
  /// Tokens of the calibration.
  public var calibrationTokens: Int
  /// The one knob: the step of an output whose sensitivity is 1.
  public var level: Double
  /// The parts of the file; their bytes add up to `bytes`.
  public var parts: [Part]
  /// The matrices, in the order of the model.
  public var tensors: [Tensor]
  /// Quality, one for each text.
  public var quality: [Quality]
  /// Quality of the same size without the training of layers; nil where there was none.
  public var qualityBeforeTraining: Quality?
  /// Quality before steps were healed, in a file smaller by what that takes; nil where they were not.
  public var qualityBeforeHealing: Quality?
  /// Tokens that were trained on, those of the calibration among them; nil where nothing was trained.
  public var trainingTokens: Int?
  /// How layers were trained; nil where they were not.
  public var training: [SuffixTrainingStage]?
  /// Seconds of each stage: "calibration", "quantization", "training", "healing", "packing", "evaluation".
  public var seconds: [String: Double]

  /// Bits of the file for a weight of the original.
  public var bitsPerWeight: Double { Double(8 * bytes) / Double(max(1, parameters)) }
}
