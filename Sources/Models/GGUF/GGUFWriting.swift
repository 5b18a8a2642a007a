import Checkpoints
import Tensors

extension GGUFMapping {
  /// The metadata of a model, besides tokenizer and general keys.
  public func metadata(of spec: ModelSpec) -> [(String, GGUFValue)] {
    let first = spec.layers[0], attention = first.attention
    let context = traits.windows == .cut ? min(spec.contextLength, spec.narrowestWindow ?? Int.max) : spec.contextLength
    func integer(_ value: Int) -> GGUFValue { .uint32(UInt32(clamping: value)) }
    func size(_ path: KeyPath<LayerSizes, Int>) -> GGUFValue {
      let sizes = spec.layers.map { LayerSizes($0)[keyPath: path] }
      return Set(sizes).count == 1 ? integer(sizes[0]) : .array(.int32(sizes.map { Int32(clamping: $0) }))
    }
    var pairs: [(String, GGUFValue)] = [
      ("context_length", integer(context)), ("embedding_length", integer(spec.width)),
      ("block_count", integer(spec.layers.count)), ("feed_forward_length", size(\.channels)),
      ("attention.head_count", size(\.heads)), ("attention.head_count_kv", size(\.keyValueHeads)),
      ("attention.key_length", integer(attention.headSize)), ("attention.value_length", integer(attention.headSize)),
      ("attention." + epsilonKey, .float32((first.attentionNorm ?? first.attentionOutputNorm)?.epsilon ?? 0)),
      ("vocab_size", integer(spec.vocabularySize)),
    ]
    if let rotary = fullLayer(of: spec).attention.rotary { pairs += self.rotary(rotary, headSize: attention.headSize) }
    pairs += metadata(beyondCommon: spec)
    return pairs.map { (traits.name + "." + $0.0, $0.1) }
  }

  /// The first layer that sees everything and is rotated, or the first of those that are.
  private func fullLayer(of spec: ModelSpec) -> LayerSpec {
    let rotated = spec.layers.filter { $0.attention.rotary != nil }
    return rotated.first { $0.attention.window == nil } ?? rotated.first ?? spec.layers[0]
  }

  private func rotary(_ rotary: RotarySpec, headSize: Int) -> [(String, GGUFValue)] {
    var pairs: [(String, GGUFValue)] = [
      ("rope.dimension_count", .uint32(UInt32(rotary.rotated(headSize: headSize)))),
      ("rope.freq_base", .float32(Float(rotary.base))),
    ]
    func original(_ value: Int) -> (String, GGUFValue) {
      ("rope.scaling.original_context_length", .uint32(UInt32(clamping: value)))
    }
    switch rotary.scaling {
    case .none: break
    case .linear(let factor):
      pairs += [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(Float(factor)))]
    case .llama3(_, _, _, let context): pairs.append(original(context))
    case .yarn(let yarn):
      pairs += [("rope.scaling.type", .string("yarn")), ("rope.scaling.factor", .float32(Float(yarn.factor)))]
      pairs += [original(yarn.originalContext)] + yarnMagnitude(yarn)
      pairs += [("rope.scaling.yarn_beta_fast", .float32(Float(yarn.betaFast)))]
      pairs += [("rope.scaling.yarn_beta_slow", .float32(Float(yarn.betaSlow)))]
    case .longrope(let longrope):
      pairs += [("rope.scaling.type", .string("longrope")), original(longrope.originalContext)]
      pairs += [("rope.scaling.attn_factor", .float32(Float(longrope.attentionFactor)))]
    }
    return pairs
  }

  /// What cosines and sines are multiplied with, where it is not what llama.cpp takes.
  private func yarnMagnitude(_ yarn: YarnScaling) -> [(String, GGUFValue)] {
    let more = yarn.attentionFactor / YarnScaling.magnitude(factor: yarn.factor)
    return abs(more - 1) < 1e-7 ? [] : [("rope.scaling.attn_factor", .float32(Float(more)))]
  }

  /// Tensors that a file has beyond those of the model: factors of the rotary embedding.
  public func factors(of spec: ModelSpec) -> [(name: String, values: [Float])] {
    let attention = fullLayer(of: spec).attention
    if let divisors = attention.rotary?.divisors(headSize: attention.headSize) { return [("rope_freqs.weight", divisors)] }
    guard case .longrope(let longrope)? = attention.rotary?.scaling else { return [] }
    return [
      ("rope_factors_long.weight", longrope.long.map { Float($0) }),
      ("rope_factors_short.weight", longrope.short.map { Float($0) }),
    ]
  }

  /// Where a tensor of a model lies.
  ///
  /// - Parameter isFused: whether queries, keys and values are one tensor.
  public func slice(of tensor: TensorSpec, in spec: ModelSpec, isFused: Bool) -> TensorSlice {
    var slice = place(of: tensor, in: spec, isFused: isFused)
    let isHeadNorm = tensor.role == .queryNorm || tensor.role == .keyNorm
    guard let layer = tensor.layer else { return withAddend(slice, tensor) }
    let attention = spec.layers[layer].attention
    if isHeadNorm, traits.hasHeadNormMatrices {
      slice.shape = [tensor.shape[0] / attention.headSize, attention.headSize]
    }
    if traits.interleavesRotary, tensor.role.isRotated || isHeadNorm {
      slice.order = .halfFromInterleaved(headSize: attention.headSize, rotated: attention.rotary?.size)
    }
    return withAddend(slice, tensor)
  }

  private func withAddend(_ slice: TensorSlice, _ tensor: TensorSpec) -> TensorSlice {
    var slice = slice
    if tensor.role.isNorm, !tensor.isBias { slice.addend = traits.normAddend }
    return slice
  }

  /// The stored tensor, and which of its rows.
  private func place(of tensor: TensorSpec, in spec: ModelSpec, isFused: Bool) -> TensorSlice {
    guard let layer = tensor.layer else { return TensorSlice(tensor.ggufName, shape: tensor.shape) }
    let attention = spec.layers[layer].attention
    let queries = attention.query.outputs, keys = attention.key.outputs, channels = spec.layers[layer].mlp.up.outputs
    func part(_ stem: String, from first: Int, of total: Int) -> TensorSlice {
      let name = "blk.\(layer).\(stem)" + (tensor.isBias ? ".bias" : ".weight")
      return TensorSlice(name, shape: [total] + tensor.shape.dropFirst(), first: first, rows: tensor.shape[0])
    }
    switch tensor.role {
    case .query where isFused: return part("attn_qkv", from: 0, of: queries + 2 * keys)
    case .key where isFused: return part("attn_qkv", from: queries, of: queries + 2 * keys)
    case .value where isFused: return part("attn_qkv", from: queries + keys, of: queries + 2 * keys)
    case .gate where traits.fusesGateUp: return part("ffn_up", from: 0, of: 2 * channels)
    case .up where traits.fusesGateUp: return part("ffn_up", from: channels, of: 2 * channels)
    default: return TensorSlice(tensor.ggufName, shape: tensor.shape)
    }
  }
}
