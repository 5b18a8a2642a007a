import Kernels
import Models

/// What a forward pass needs of one layer, in one object: numbers, weights and cache. The steps of a pass run thousands of times a
/// second, and copying a description with its names and shapes at every step would cost more than some of them.
final class LayerPass {
  let attentionNorm: NormPass
  let queryKeyValue: Linear
  let heads: Int
  let keyValueHeads: Int
  let headSize: Int
  let scale: Float
  let window: Int?
  let rotary: RotaryTable
  /// One for each head of keys and values.
  let caches: [HeadCache]
  let output: Linear
  let mlpNorm: NormPass
  let gateUp: Linear
  let activation: Activation
  /// Elements between gate and down.
  let channels: Int
  let down: Linear

  init(_ spec: LayerSpec, _ weights: LayerWeights, capacity: Int, cache format: CacheFormat, rotary: RotaryTable) {
    attentionNorm = NormPass(spec.attentionNorm, weights.attentionNorm)
    queryKeyValue = weights.queryKeyValue
    heads = spec.attention.heads
    keyValueHeads = spec.attention.keyValueHeads
    headSize = spec.attention.headSize
    scale = spec.attention.scale
    window = spec.attention.window
    self.rotary = rotary
    let size = spec.attention.headSize
    caches = (0..<spec.attention.keyValueHeads).map { _ in HeadCache(format: format, size: size, capacity: capacity) }
    output = weights.output
    mlpNorm = NormPass(spec.mlpNorm, weights.mlpNorm)
    gateUp = weights.gateUp
    activation = spec.mlp.activation.kernel
    channels = spec.mlp.gate.outputs
    down = weights.down
  }
}

/// A norm and its weight.
struct NormPass {
  private let kind: NormSpec.Kind
  private let epsilon: Float
  private let weight: [Float]

  init(_ spec: NormSpec, _ weight: [Float]) {
    kind = spec.kind
    epsilon = spec.epsilon
    self.weight = weight
  }

  /// The norm of a row x, into row `token` of the activations.
  func apply(_ x: UnsafePointer<Float>, into activations: Activations, row token: Int) {
    apply(x, into: activations.floats + token * weight.count)
  }

  /// The norm of a row x.
  func apply(_ x: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>) {
    switch kind {
    case .rms: rmsNorm(x, weight: weight, epsilon: epsilon, count: weight.count, tokens: 1, into: output)
    }
  }
}

extension MLPSpec.Activation {
  /// The function that computes it.
  var kernel: Activation {
    switch self {
    case .silu: .silu
    }
  }
}
