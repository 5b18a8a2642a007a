import Tensors

/// An architecture as data: what the layers are and which tensor holds what. Every stage interprets this one description.
///
/// A token x at position p enters the residual stream as h = projectIn(E[x] · embeddingScale) + P[p]; the layers change h; the logits
/// are softcap(logitScale · (head · projectOut(norm(h)) + bias)). Parts that are nil are left out. Sizes are per layer, so that a
/// pruned model whose layers differ is described like any other.
public struct ModelSpec: Sendable, Equatable {
  /// Tokens of the vocabulary: rows of the embedding.
  public var vocabularySize: Int
  /// Channels of the residual stream.
  public var width: Int
  /// The longest context that the model was made for.
  public var contextLength: Int
  /// The token embedding E [vocabulary, width], or [vocabulary, columns of `projectIn`].
  public var embedding: TensorSpec
  /// What rows of the embedding are multiplied with.
  public var embeddingScale: Float = 1
  /// Learned positions, added to the embedding.
  public var positions: PositionSpec?
  /// From the embedding to the residual stream [width, columns of the embedding].
  public var projectIn: LinearSpec?
  /// The layers, first to last.
  public var layers: [LayerSpec]
  /// The norm before the head.
  public var finalNorm: NormSpec?
  /// From the residual stream to what the head reads [columns of the head, width].
  public var projectOut: LinearSpec?
  /// The head [vocabulary, width]; the embedding itself when the two are tied.
  public var head: LinearSpec
  /// What logits are multiplied with.
  public var logitScale: Float = 1
  /// c makes a logit l c · tanh(l / c), after the scale.
  public var logitSoftcap: Float?

  /// Whether head and embedding are one tensor.
  public var isTied: Bool { head.weight.name == embedding.name }

  /// The smallest sliding window of any layer.
  public var narrowestWindow: Int? { layers.compactMap(\.attention.window).min() }

  /// The most tokens that a text can have; nil where positions are computed, not learned.
  public var positionLimit: Int? { positions.map { $0.table.shape[0] - $0.offset } }

  /// Texts of up to so many tokens are rotated otherwise than longer ones; nil where all are rotated alike.
  public var shortContext: Int? {
    layers.lazy.compactMap { layer -> Int? in
      guard case .longrope(let scaling)? = layer.attention.rotary?.scaling else { return nil }
      return scaling.originalContext
    }.first
  }

  /// Every tensor of the model, each once, in the order of computation.
  public var tensors: [TensorSpec] {
    let input = [embedding] + (projectIn?.tensors ?? []) + (positions.map { [$0.table] } ?? [])
    let output = (finalNorm?.tensors ?? []) + (projectOut?.tensors ?? [])
    return input + layers.flatMap(\.tensors) + output + (isTied ? head.bias.map { [$0] } ?? [] : head.tensors)
  }
}

/// Learned positions: row p + offset belongs to position p.
public struct PositionSpec: Sendable, Equatable {
  /// The rows [positions + offset, width].
  public var table: TensorSpec
  /// Rows before that of position 0.
  public var offset: Int

  /// Describes learned positions.
  public init(table: TensorSpec, offset: Int = 0) {
    self.table = table
    self.offset = offset
  }
}
