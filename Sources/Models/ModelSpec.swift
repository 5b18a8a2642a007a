import Tensors

/// An architecture as data: what the layers are and which tensor holds what. Every stage interprets this one description.
///
/// Sizes are per layer, so that a pruned model whose layers differ is described like any other.
public struct ModelSpec: Sendable, Equatable {
  /// Tokens of the vocabulary: rows of the embedding.
  public var vocabularySize: Int
  /// Channels of the residual stream.
  public var width: Int
  /// The longest context that the model was made for.
  public var contextLength: Int
  /// The token embedding [vocabulary, width].
  public var embedding: TensorSpec
  /// The layers, first to last.
  public var layers: [LayerSpec]
  /// The norm before the head.
  public var finalNorm: NormSpec
  /// The head [vocabulary, width]; the embedding itself when the two are tied.
  public var head: LinearSpec

  /// Whether head and embedding are one tensor.
  public var isTied: Bool { head.weight.name == embedding.name }

  /// The smallest sliding window of any layer.
  public var narrowestWindow: Int? { layers.compactMap(\.attention.window).min() }

  /// Every tensor of the model, each once, in the order of computation.
  public var tensors: [TensorSpec] {
    let layers = self.layers.flatMap(\.tensors)
    return [embedding] + layers + [finalNorm.weight] + (isTied ? [] : head.tensors)
  }
}

/// A named tensor with the shape that the configuration asks for.
public struct TensorSpec: Sendable, Hashable {
  /// The name in Hugging Face checkpoints.
  public var name: String
  /// What the tensor does; its raw value is the name in GGUF files.
  public var role: TensorRole
  /// The layer, counted from 0; nil outside the layers.
  public var layer: Int?
  /// Dimensions, outermost first.
  public var shape: [Int]

  /// Describes a tensor.
  public init(name: String, role: TensorRole, layer: Int? = nil, shape: [Int]) {
    self.name = name
    self.role = role
    self.layer = layer
    self.shape = shape
  }

  /// Whether this is a bias: its name is that of a weight with another suffix.
  public var isBias: Bool { shape.count == 1 && !role.isNorm }

  /// The name in GGUF files: "blk.3.attn_q.weight".
  public var ggufName: String {
    let prefix = layer.map { "blk.\($0)." } ?? ""
    return prefix + role.rawValue + (isBias ? ".bias" : ".weight")
  }
}

/// What a tensor does. The raw values are the names of the GGUF format.
public enum TensorRole: String, Sendable, CaseIterable {
  case embedding = "token_embd"
  case attentionNorm = "attn_norm"
  case query = "attn_q"
  case key = "attn_k"
  case value = "attn_v"
  case attentionOutput = "attn_output"
  case mlpNorm = "ffn_norm"
  case gate = "ffn_gate"
  case up = "ffn_up"
  case down = "ffn_down"
  case finalNorm = "output_norm"
  case head = "output"

  /// Whether it is the weight of a norm.
  public var isNorm: Bool {
    switch self {
    case .attentionNorm, .mlpNorm, .finalNorm: true
    case .embedding, .query, .key, .value, .attentionOutput, .gate, .up, .down, .head: false
    }
  }

  /// The part of the model it belongs to, for tables.
  public var part: String {
    switch self {
    case .embedding: "embedding"
    case .head: "head"
    case .query, .key, .value, .attentionOutput: "attention"
    case .gate, .up, .down: "mlp"
    case .attentionNorm, .mlpNorm, .finalNorm: "norms"
    }
  }
}

/// y = W x + b with W [outputs, inputs].
public struct LinearSpec: Sendable, Equatable {
  /// The matrix.
  public var weight: TensorSpec
  /// The bias [outputs], where there is one.
  public var bias: TensorSpec?

  /// Describes a linear layer.
  public init(weight: TensorSpec, bias: TensorSpec? = nil) {
    self.weight = weight
    self.bias = bias
  }

  /// Rows of the matrix.
  public var outputs: Int { weight.shape[0] }
  /// Columns of the matrix.
  public var inputs: Int { weight.shape[1] }
  var tensors: [TensorSpec] { [weight] + (bias.map { [$0] } ?? []) }
}

/// A normalisation layer.
public struct NormSpec: Sendable, Equatable {
  /// The kinds of norm.
  public enum Kind: Sendable, Equatable {
    /// x / sqrt(mean(x²) + ε) · w.
    case rms
  }
  /// Which norm.
  public var kind: Kind
  /// ε.
  public var epsilon: Float
  /// w, [width].
  public var weight: TensorSpec

  /// Describes a norm.
  public init(kind: Kind, epsilon: Float, weight: TensorSpec) {
    self.kind = kind
    self.epsilon = epsilon
    self.weight = weight
  }
}

/// One layer: attention and MLP, each after its norm and added to the residual stream.
public struct LayerSpec: Sendable, Equatable {
  /// The norm before attention.
  public var attentionNorm: NormSpec
  /// Attention.
  public var attention: AttentionSpec
  /// The norm before the MLP.
  public var mlpNorm: NormSpec
  /// The MLP.
  public var mlp: MLPSpec

  /// Describes a layer.
  public init(attentionNorm: NormSpec, attention: AttentionSpec, mlpNorm: NormSpec, mlp: MLPSpec) {
    self.attentionNorm = attentionNorm
    self.attention = attention
    self.mlpNorm = mlpNorm
    self.mlp = mlp
  }

  /// Every tensor of the layer, in the order of computation.
  public var tensors: [TensorSpec] {
    let projections = [attention.query, attention.key, attention.value, attention.output]
    let mlp = [self.mlp.gate, self.mlp.up, self.mlp.down]
    return [attentionNorm.weight] + projections.flatMap(\.tensors) + [mlpNorm.weight] + mlp.flatMap(\.tensors)
  }
}

/// Causal attention with grouped queries.
public struct AttentionSpec: Sendable, Equatable {
  /// Query heads.
  public var heads: Int
  /// Key-value heads; divides `heads`.
  public var keyValueHeads: Int
  /// Elements of a head.
  public var headSize: Int
  /// Scores are multiplied by this before the softmax.
  public var scale: Float
  /// How positions enter.
  public var rotary: RotarySpec
  /// How many positions back a query sees, itself included; nil for all.
  public var window: Int?
  /// Projection to the queries [heads · headSize, width].
  public var query: LinearSpec
  /// Projection to the keys [keyValueHeads · headSize, width].
  public var key: LinearSpec
  /// Projection to the values [keyValueHeads · headSize, width].
  public var value: LinearSpec
  /// Projection back to the residual stream [width, heads · headSize].
  public var output: LinearSpec
}

/// A gated MLP: down(activation(gate x) · up x).
public struct MLPSpec: Sendable, Equatable {
  /// The activation functions.
  public enum Activation: Sendable, Equatable {
    /// x / (1 + exp(-x)).
    case silu
  }
  /// The activation of the gate.
  public var activation: Activation
  /// [channels, width].
  public var gate: LinearSpec
  /// [channels, width].
  public var up: LinearSpec
  /// [width, channels].
  public var down: LinearSpec
}
