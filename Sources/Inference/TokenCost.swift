import Kernels
import Models

/// What a token costs by the shapes of a model alone: operations (a multiplication and an addition count as two) and bytes read from
/// memory. Norms, rotations and activations are left out; they are less than a hundredth.
public struct TokenCost: Sendable, Equatable {
  /// One layer's attention.
  package struct Attention: Sendable, Equatable {
    /// Operations for each position that a token sees.
    package var operations: Int
    /// Bytes of cache for each position that a token sees.
    package var bytes: Int
    /// How many positions a token sees at most.
    package var window: Int?

    /// The attention of a layer.
    package init(operations: Int, bytes: Int, window: Int? = nil) {
      self.operations = operations
      self.bytes = bytes
      self.window = window
    }
  }

  /// Weights that every token is multiplied with: the matrices of the layers.
  public let layerParameters: Int
  /// Weights of the head, which only tokens with logits are multiplied with.
  public let headParameters: Int
  /// Bytes of weights that a decoded token reads: layers and head, scales included. An embedding that is only looked up is not.
  public let weightBytes: Int
  /// Whether most weights are codes, so that prefill is held against the peak of int8 rather than that of f32.
  public let isQuantized: Bool
  /// The attention of every layer.
  package let attentions: [Attention]

  /// The cost in a model whose keys and values are held as `cache`.
  public init(_ model: Transformer, cache: CacheFormat) {
    let products = model.products
    let matrices = products.flatMap(\.projection.matrices)
    let codes = matrices.filter(\.readsCodes)
    let parameters = matrices.reduce(0) { $0 + $1.parameters }
    headParameters = model.head.parameters
    layerParameters = parameters - headParameters
    weightBytes = matrices.reduce(0) { $0 + $1.bytes }
    isQuantized = 2 * codes.reduce(0) { $0 + $1.parameters } > parameters
    attentions = model.spec.layers.map(\.attention).map { spec in
      let position = HeadCache(format: cache, size: spec.headSize, capacity: 1).bytesPerPosition
      return Attention(
        operations: 4 * spec.heads * spec.headSize, bytes: spec.keyValueHeads * position, window: spec.window)
    }
  }

  /// A cost that is known already.
  package init(layerParameters: Int, headParameters: Int, weightBytes: Int, isQuantized: Bool, attentions: [Attention]) {
    self.layerParameters = layerParameters
    self.headParameters = headParameters
    self.weightBytes = weightBytes
    self.isQuantized = isQuantized
    self.attentions = attentions
  }

  /// Operations of a token, averaged over a test. In a prompt only the last token has logits.
  public func operations(in test: BenchmarkTest) -> Double {
    let heads = test.phase == .prefill ? 1 : test.tokens
    let products = 2 * (Double(layerParameters) * Double(test.tokens) + Double(headParameters) * Double(heads))
    return (products + attention(in: test, \.operations)) / Double(max(1, test.tokens))
  }

  /// Bytes that a decoded token reads, averaged over a test: the weights, and the cache of the positions that it sees.
  public func bytes(in test: BenchmarkTest) -> Double {
    Double(weightBytes) + attention(in: test, \.bytes) / Double(max(1, test.tokens))
  }

  /// Operations or bytes of the attention of all tokens of a test.
  func attention(in test: BenchmarkTest, _ cost: (Attention) -> Int) -> Double {
    attentions.reduce(0) { $0 + Double(cost($1)) * Self.positionsSeen(in: test, window: $1.window) }
  }

  /// How many positions all tokens of a test see together: each sees itself and those before it, within the window.
  static func positionsSeen(in test: BenchmarkTest, window: Int?) -> Double {
    let first = test.depth + 1, last = test.depth + test.tokens, most = window ?? last
    let growing = max(0, min(last, most) - first + 1)
    return Double(growing) * Double(first + min(last, most)) / 2 + Double(test.tokens - growing) * Double(most)
  }
}

extension Transformer {
  /// The products of a token, in the order of the forward pass, with the names of what each joins.
  var products: [(roles: [TensorRole], projection: Projection)] {
    let inLayers = layers.flatMap { layer -> [(roles: [TensorRole], projection: Projection)] in
      [
        ([.query, .key, .value], layer.queryKeyValue.projection), ([.attentionOutput], layer.output.projection),
        (layer.gateUp.projection.matrices.count > 1 ? [.gate, .up] : [.up], layer.gateUp.projection),
        ([.down], layer.down.projection),
      ]
    }
    let ends: [(roles: [TensorRole], projection: Projection)] =
      (input.projection.map { [([.projectIn], $0)] } ?? []) + (output.projection.map { [([.projectOut], $0)] } ?? [])
    return ends + inLayers + [([.head], head)]
  }
}

extension WeightMatrix {
  /// Weights of the matrix.
  var parameters: Int { outputs * inputs }
}

extension Projection {
  /// Weights of all matrices.
  var parameters: Int { outputs * inputs }
}
