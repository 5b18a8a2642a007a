import Checkpoints
import OrderedCollections
import Tensors

/// GGUF files of the architecture "llama": metadata to and from a Hugging Face configuration, and the rows of queries and keys in
/// interleaved rotary order, as llama.cpp's converter writes them (conversion/llama.py, `LlamaModel.permute`).
struct LlamaGGUF: GGUFMapping {
  let name = "llama"

  func configuration(of gguf: GGUFFile) throws(LMToolError) -> JSONValue {
    try LlamaMetadata(file: gguf).configuration()
  }

  func metadata(of spec: ModelSpec) -> [(String, GGUFValue)] { LlamaMetadata.metadata(of: spec) }

  func slice(of tensor: TensorSpec, in spec: ModelSpec) -> TensorSlice {
    var slice = TensorSlice(tensor.ggufName, shape: tensor.shape)
    if let layer = tensor.layer, tensor.role.isRotated {
      slice.order = .halfFromInterleaved(headSize: spec.layers[layer].attention.headSize)
    }
    return slice
  }
}

/// The metadata of a LLaMA in a GGUF file.
private struct LlamaMetadata {
  let file: GGUFFile

  /// The model shapes of Llama 3.1 and 3.2 in `rope_freqs.weight`: factor, with 1, 4 and 8192 as the other parameters.
  private static let knownFactors: [Double] = [8, 32]

  func configuration() throws(LMToolError) -> JSONValue {
    let width = try integer("embedding_length")
    let heads = try integer("attention.head_count")
    guard heads > 0, let embedding = file.tensors["token_embd.weight"], let vocabulary = embedding.shape.first else {
      throw missing("token_embd.weight", "the file has no token embedding")
    }
    let headSize = integerIfPresent("attention.key_length") ?? integerIfPresent("rope.dimension_count") ?? width / heads
    var config: [String: JSONValue] = [
      "architectures": .array([.string("LlamaForCausalLM")]), "model_type": .string("llama"),
      "hidden_size": .int(width), "num_attention_heads": .int(heads),
      "num_hidden_layers": .int(try integer("block_count")), "intermediate_size": .int(try integer("feed_forward_length")),
      "num_key_value_heads": .int(integerIfPresent("attention.head_count_kv") ?? heads),
      "vocab_size": .int(vocabulary), "max_position_embeddings": .int(integerIfPresent("context_length") ?? 2048),
      "rms_norm_eps": .double(Self.decimal(value("attention.layer_norm_rms_epsilon")?.float ?? 1e-5)),
      "rope_theta": .double(Self.decimal(value("rope.freq_base")?.float ?? 10000)),
      "head_dim": .int(headSize), "hidden_act": .string("silu"),
      "tie_word_embeddings": .bool(file.tensors["output.weight"] == nil),
      "attention_bias": .bool(file.tensors["blk.0.attn_q.bias"] != nil),
      "mlp_bias": .bool(file.tensors["blk.0.ffn_up.bias"] != nil),
    ]
    config["rope_scaling"] = try scaling(headSize: headSize, base: config["rope_theta"]?.double ?? 10000)
    for (key, name) in [("bos_token_id", "bos_token_id"), ("eos_token_id", "eos_token_id")] {
      if let id = file.metadata["tokenizer.ggml." + name]?.int { config[key] = .int(id) }
    }
    return .object(config)
  }

  /// Rotary scaling from the keys `rope.scaling.*` or the tensor `rope_freqs.weight`.
  private func scaling(headSize: Int, base: Double) throws(LMToolError) -> JSONValue {
    if let frequencies = file.tensors["rope_freqs.weight"] {
      return try llama3(divisors: try frequencies.readAll(), headSize: headSize, base: base)
    }
    let kind = value("rope.scaling.type")?.string ?? "none"
    switch kind {
    case "none": return .null
    case "linear":
      guard let factor = value("rope.scaling.factor")?.float else { throw missing("llama.rope.scaling.factor", "it is needed") }
      return .object(["rope_type": .string("linear"), "factor": .double(Self.decimal(factor))])
    default: throw missing("llama.rope.scaling.type", "rotary scaling of the kind \(kind.printable) is not supported")
    }
  }

  /// Finds the parameters that give the divisors of the file.
  private func llama3(divisors: [Float], headSize: Int, base: Double) throws(LMToolError) -> JSONValue {
    let trained = value("rope.scaling.original_context_length")?.int ?? 8192
    for factor in Self.knownFactors + (divisors.max().map { [Double($0)] } ?? []) {
      let scaling = RotarySpec.Scaling.llama3(factor: factor, lowFrequency: 1, highFrequency: 4, originalContext: trained)
      guard let expected = RotarySpec(base: base, scaling: scaling).divisors(headSize: headSize) else { continue }
      let isClose = zip(expected, divisors).allSatisfy { abs($0 - $1) <= 1e-3 * abs($0) }
      guard isClose, expected.count == divisors.count else { continue }
      return .object([
        "rope_type": .string("llama3"), "factor": .double(factor), "low_freq_factor": .double(1), "high_freq_factor": .double(4),
        "original_max_position_embeddings": .int(trained),
      ])
    }
    throw missing(
      "rope_freqs.weight", "the rotary factors are not those of Llama 3.1 or 3.2; they cannot be written to a configuration")
  }

  /// The metadata of a model, without tokenizer and general keys.
  static func metadata(of spec: ModelSpec) -> [(String, GGUFValue)] {
    let first = spec.layers[0], attention = first.attention, rotary = attention.rotary ?? RotarySpec(base: 10000)
    let context = min(spec.contextLength, spec.narrowestWindow ?? Int.max)
    var pairs: [(String, GGUFValue)] = [
      ("context_length", .uint32(UInt32(clamping: context))), ("embedding_length", .uint32(UInt32(spec.width))),
      ("block_count", .uint32(UInt32(spec.layers.count))), ("feed_forward_length", .uint32(UInt32(first.mlp.up.outputs))),
      ("attention.head_count", .uint32(UInt32(attention.heads))),
      ("attention.head_count_kv", .uint32(UInt32(attention.keyValueHeads))),
      ("attention.key_length", .uint32(UInt32(attention.headSize))),
      ("attention.value_length", .uint32(UInt32(attention.headSize))),
      ("attention.layer_norm_rms_epsilon", .float32(first.attentionNorm?.epsilon ?? 0)),
      ("rope.dimension_count", .uint32(UInt32(attention.headSize))), ("rope.freq_base", .float32(Float(rotary.base))),
      ("vocab_size", .uint32(UInt32(spec.vocabularySize))),
    ]
    if case .linear(let factor) = rotary.scaling {
      pairs += [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(Float(factor)))]
    }
    if case .llama3(_, _, _, let original) = rotary.scaling {
      pairs.append(("rope.scaling.original_context_length", .uint32(UInt32(clamping: original))))
    }
    return pairs.map { ("llama." + $0.0, $0.1) }
  }

  /// The shortest decimal that gives this float: 1e-05 rather than 9.99999974e-06.
  private static func decimal(_ value: Float) -> Double { Double(value.description) ?? Double(value) }

  private func value(_ key: String) -> GGUFValue? { file.metadata["llama." + key] }
  private func integerIfPresent(_ key: String) -> Int? { value(key)?.int }

  private func integer(_ key: String) throws(LMToolError) -> Int {
    guard let number = integerIfPresent(key), (1...Configuration.maximumDimension).contains(number) else {
      throw missing("llama." + key, "it must be an integer from 1 to \(Configuration.maximumDimension)")
    }
    return number
  }

  private func missing(_ key: String, _ message: String) -> LMToolError {
    LMToolError(.badInput, message, file: file.file.path, at: .key(key), rule: "MODEL-2")
  }
}
