import Kernels
import Models

/// What a forward pass needs of one layer, in one object: numbers, weights and cache. The steps of a pass run thousands of times a
/// second, and copying a description with its names and shapes at every step would cost more than some of them.
final class LayerPass {
  let norms: BranchNorms
  let queryKeyValue: Linear
  let heads: Int
  let keyValueHeads: Int
  let headSize: Int
  let scale: Float
  let softcap: Float?
  let window: Int?
  /// What happens to queries and keys.
  var preparation: HeadPass
  /// One for each head of keys and values.
  let caches: [HeadCache]
  let output: Linear
  /// Gate and up, or up alone.
  let gateUp: Linear
  let isGated: Bool
  let activation: Activation
  /// Elements between gate and down.
  let channels: Int
  let down: Linear

  init(_ spec: LayerSpec, _ weights: LayerWeights, capacity: Int, cache format: CacheFormat, rotary: RotaryTable?) {
    let attention = spec.attention
    norms = weights.norms
    queryKeyValue = weights.queryKeyValue
    heads = attention.heads
    keyValueHeads = attention.keyValueHeads
    headSize = attention.headSize
    scale = attention.scale
    softcap = attention.softcap
    window = attention.window
    preparation = HeadPass(attention, queryNorm: weights.queryNorm, keyNorm: weights.keyNorm, rotary: rotary)
    caches = (0..<attention.keyValueHeads).map { _ in
      HeadCache(format: format, size: attention.headSize, capacity: capacity)
    }
    output = weights.output
    gateUp = weights.gateUp
    isGated = spec.mlp.gate != nil
    activation = spec.mlp.activation.kernel
    channels = spec.mlp.up.outputs
    down = weights.down
  }

  /// activation(gate) · up, or activation(up), of the outputs of `gateUp` for one token, which get their biases.
  func activate(_ outputs: UnsafeMutablePointer<Float>, into channels: UnsafeMutablePointer<Float>) {
    gateUp.addBias(outputs)
    Kernels.activate(activation, outputs, isGated ? outputs + self.channels : nil, count: self.channels, into: channels)
  }
}

extension MLPSpec.Activation {
  /// The function that computes it.
  public var kernel: Activation {
    switch self {
    case .silu: .silu
    case .geluTanh: .geluTanh
    case .gelu: .gelu
    case .relu: .relu
    }
  }
}
