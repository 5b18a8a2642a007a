import Tensors

/// The numbers and choices from which a `ModelSpec` is built. What a family does not say is as in LLaMA.
struct SpecPlan {
  // Sizes.
  var vocabulary, width, layers, heads, keyValueHeads, headSize, channels, context: Int
  /// Columns of embedding and head, where they are not the width.
  var embeddingWidth: Int?
  /// Learned positions: rows of the table, and those before that of position 0.
  var positions: (rows: Int, offset: Int)?

  /// Of each layer.
  var sizes: [LayerSizes]

  // Norms.
  var epsilon: Float
  var norm = NormSpec.Kind.rms
  var normHasBias = false
  var normOffset: Float = 0
  /// Whether layers have norms before their branches, and of what these add to the stream.
  var hasInputNorms = true, hasOutputNorms = false
  var hasFinalNorm = true
  var queryKeyNorm: QueryKeyNorm?

  // Attention and MLP.
  var arrangement = LayerSpec.Arrangement.sequential
  var residualScale: Float = 1
  /// Of each layer.
  var scales: [Float]
  var softcap: Float?
  var rotary: [RotarySpec?]
  var windows: [Int?]
  var queryScaling: QueryScaling?
  var activation = MLPSpec.Activation.silu
  var isGated = true

  // Biases.
  var hasQueryKeyValueBias = false, hasOutputBias = false, hasMLPBias = false, hasHeadBias = false

  // Embedding and head.
  var isTied: Bool
  var embeddingScale: Float = 1
  var logitScale: Float = 1
  var logitSoftcap: Float?

  /// Where checkpoints hold the tensors.
  var naming = CheckpointNaming()

  /// A norm of queries and keys.
  struct QueryKeyNorm {
    /// What is normalised together, and with which weights.
    enum Span {
      /// Each head, all with the same weight.
      case head
      /// Each head, with a weight of its own.
      case eachHead
      /// All heads of a token.
      case row
    }
    var span: Span
    var kind = NormSpec.Kind.rms
    var hasBias = false
  }

  /// Reads the sizes that nearly all families have under the same names, or under those of `configuration.aliases`.
  ///
  /// - Parameters:
  ///   - epsilon: the key of the norms' ε, and what it is where the key is absent.
  ///   - channels: the width of the MLP where `intermediate_size` is absent; nil to refuse that.
  init(
    _ configuration: Configuration, epsilon: (key: String, usual: Double) = ("rms_norm_eps", 1e-6), isTied: Bool = false,
    headSize usualHeadSize: Int? = nil, channels usualChannels: ((_ width: Int) -> Int)? = nil, context usualContext: Int = 2048
  ) throws(LMToolError) {
    vocabulary = try configuration.integer("vocab_size")
    width = try configuration.integer("hidden_size")
    layers = try configuration.integer("num_hidden_layers", in: 1...4096)
    heads = try configuration.integer("num_attention_heads", in: 1...65536)
    keyValueHeads = try configuration.integerIfPresent("num_key_value_heads", in: 1...65536) ?? heads
    guard heads % keyValueHeads == 0 else {
      throw configuration.refuse("num_key_value_heads", "it is \(keyValueHeads), which does not divide the \(heads) heads")
    }
    let ownHeadSize = try configuration.integerIfPresent("head_dim", in: 2...65536)
    headSize = try configuration.prunedHeadSize() ?? ownHeadSize ?? usualHeadSize ?? width / heads
    guard headSize >= 2, headSize % 2 == 0 else {
      throw configuration.refuse("head_dim", "heads have \(headSize) elements; that must be an even number")
    }
    if let usualChannels {
      channels = try configuration.integerIfPresent("intermediate_size") ?? usualChannels(width)
    } else {
      channels = try configuration.integer("intermediate_size")
    }
    sizes = try configuration.layerSizes(
      count: layers, whole: LayerSizes(heads: heads, keyValueHeads: keyValueHeads, channels: channels))
    context = try configuration.integerIfPresent("max_position_embeddings", in: 1...(1 << 30)) ?? usualContext
    self.epsilon = Float(try configuration.positive(epsilon.key) ?? epsilon.usual)
    self.isTied = try configuration.flag("tie_word_embeddings", default: isTied)
    scales = Array(repeating: 1 / Float(headSize).squareRoot(), count: layers)
    rotary = Array(repeating: nil, count: layers)
    windows = Array(repeating: nil, count: layers)
  }

  /// Gives all layers the same rotary embedding.
  mutating func rotate(_ spec: RotarySpec) { rotary = Array(repeating: spec, count: layers) }
}
