import Tensors

/// One layer: two branches, attention and MLP, whose outputs are added to the residual stream h.
///
/// A branch y = f(x) reads x = norm(h), or h itself where it has no norm, and adds residualScale · norm(y), or residualScale · y
/// where it has no norm of its output.
public struct LayerSpec: Sendable, Equatable {
  /// How the branches follow each other.
  public enum Arrangement: Sendable, Equatable, CaseIterable {
    /// The MLP reads what attention has changed.
    case sequential
    /// Both read the stream before the layer, each through its own norm.
    case parallel
    /// Both read the same norm, that of attention.
    case parallelShared
    /// As sequential, but a branch reads h, and its norm is that of the sum: h = norm(h + f(h)).
    case postNorm
  }
  /// How the branches follow each other.
  public var arrangement: Arrangement = .sequential
  /// The norm before attention.
  public var attentionNorm: NormSpec?
  /// Attention.
  public var attention: AttentionSpec
  /// The norm of what attention adds to the stream.
  public var attentionOutputNorm: NormSpec?
  /// The norm before the MLP; nil when the two share one.
  public var mlpNorm: NormSpec?
  /// The MLP.
  public var mlp: MLPSpec
  /// The norm of what the MLP adds to the stream.
  public var mlpOutputNorm: NormSpec?
  /// What both branches are multiplied with before they are added.
  public var residualScale: Float = 1

  /// Every tensor of the layer, in the order of computation.
  public var tensors: [TensorSpec] {
    let norms = [attentionNorm, attentionOutputNorm, mlpNorm, mlpOutputNorm].map { $0?.tensors ?? [] }
    return norms[0] + attention.tensors + norms[1] + norms[2] + mlp.tensors + norms[3]
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
  /// Matrix and bias.
  public var tensors: [TensorSpec] { [weight] + (bias.map { [$0] } ?? []) }
}

/// A normalisation layer.
public struct NormSpec: Sendable, Equatable {
  /// The kinds of norm.
  public enum Kind: Sendable, Equatable {
    /// x / sqrt(mean(x²) + ε) · w.
    case rms
    /// (x - mean(x)) / sqrt(variance(x) + ε) · w + b.
    case layer
  }
  /// Which norm.
  public var kind: Kind
  /// ε.
  public var epsilon: Float
  /// w - `weightOffset`, [width].
  public var weight: TensorSpec
  /// b, [width], where there is one.
  public var bias: TensorSpec?
  /// What is added to the stored weight: 1 where checkpoints hold w - 1, as Gemma's do.
  public var weightOffset: Float = 0

  /// Weight and bias.
  public var tensors: [TensorSpec] { [weight] + (bias.map { [$0] } ?? []) }
}

/// A norm of queries or keys: elements are normalised in groups of `size`, a head or all heads of a token.
public struct HeadNormSpec: Sendable, Equatable {
  /// The norm; its weight has `size` elements, which all groups share, or one for each element of a token.
  public var norm: NormSpec
  /// Elements that are normalised together.
  public var size: Int
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
  /// c makes a score s c · tanh(s / c), after the scale.
  public var softcap: Float?
  /// How queries and keys are rotated by their position; nil for not at all.
  public var rotary: RotarySpec?
  /// How queries grow with their position.
  public var queryScaling: QueryScaling?
  /// How many positions back a query sees, itself included; nil for all.
  public var window: Int?
  /// Projection to the queries [heads · headSize, width].
  public var query: LinearSpec
  /// Projection to the keys [keyValueHeads · headSize, width].
  public var key: LinearSpec
  /// Projection to the values [keyValueHeads · headSize, width].
  public var value: LinearSpec
  /// The norm of queries, before they are rotated.
  public var queryNorm: HeadNormSpec?
  /// The norm of keys, before they are rotated.
  public var keyNorm: HeadNormSpec?
  /// Projection back to the residual stream [width, heads · headSize].
  public var output: LinearSpec

  /// Every tensor of attention, in the order of computation.
  public var tensors: [TensorSpec] {
    let norms = (queryNorm?.norm.tensors ?? []) + (keyNorm?.norm.tensors ?? [])
    return [query, key, value].flatMap(\.tensors) + norms + output.tensors
  }
}

/// Queries at position p are multiplied with 1 + β ln(1 + ⌊p / original⌋) (Llama 4, Ministral 3).
public struct QueryScaling: Sendable, Equatable {
  /// β.
  public var beta: Double
  /// Positions before the first step.
  public var originalContext: Int

  /// The factor at a position.
  public func factor(_ position: Int) -> Float {
    Float(1 + beta * naturalLogarithm(Double(1 + position / originalContext)))
  }
}

/// An MLP: down(activation(gate x) · up x), or without a gate down(activation(up x)).
public struct MLPSpec: Sendable, Equatable {
  /// The activation functions.
  public enum Activation: Sendable, Equatable {
    /// x / (1 + exp(-x)).
    case silu
    /// x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³))).
    case geluTanh
    /// x/2 (1 + erf(x / sqrt 2)).
    case gelu
    /// max(x, 0).
    case relu
  }
  /// The activation, of the gate where there is one.
  public var activation: Activation
  /// [channels, width].
  public var gate: LinearSpec?
  /// [channels, width].
  public var up: LinearSpec
  /// [width, channels].
  public var down: LinearSpec

  /// Gate, where there is one, and up: what reads the input.
  public var inputs: [LinearSpec] { (gate.map { [$0] } ?? []) + [up] }
  /// Every tensor of the MLP, in the order of computation.
  public var tensors: [TensorSpec] { inputs.flatMap(\.tensors) + down.tensors }
}
