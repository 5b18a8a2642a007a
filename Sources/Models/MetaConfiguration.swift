import OrderedCollections
import Tensors

/// A `config.json` for a model with Meta's names and `params.json`, or with what stands for it. Rules META-4 and META-5 of
/// `formats/meta.md`.
struct MetaConfiguration {
  private static let unsupported = [
    "moe", "yarn", "llama_4_scaling", "q_lora_rank", "kv_lora_rank", "use_qk_norm", "quantization_args",
  ]

  let settings: JSONValue
  /// The file of the settings, for errors.
  let file: String
  let tensors: OrderedDictionary<String, any TensorReader>

  /// The configuration.
  ///
  /// - Throws: `badInput` naming the key that asks for what is not supported, `missingInput` naming a tensor that is not there.
  func json() throws(LMToolError) -> JSONValue {
    if let key = Self.unsupported.first(where: { isSet($0) }) {
      throw LMToolError(
        .badInput, "models with this are not read in Meta's form; take the model in Hugging Face's form", file: file,
        at: .key(key),
        rule: "META-5")
    }
    let embedding = try tensor("tok_embeddings.weight"), gate = try tensor("layers.0.feed_forward.w1.weight")
    let vocabulary = embedding.shape.first ?? 0, isLlama3 = vocabulary == 128_256
    var config: [String: JSONValue] = [
      "hidden_size": try required("dim"), "num_hidden_layers": try required("n_layers"),
      "num_attention_heads": try required("n_heads"), "vocab_size": .int(vocabulary),
      "intermediate_size": .int(gate.shape.first ?? 0), "rms_norm_eps": settings["norm_eps"] ?? .double(1e-5),
      "rope_theta": settings["rope_theta"] ?? .double(10000), "max_position_embeddings": context,
      "tie_word_embeddings": .bool(try isTied(embedding)), "hidden_act": .string("silu"),
      "bos_token_id": .int(isLlama3 ? 128_000 : 1),
      "eos_token_id": isLlama3 ? .array([.int(128_001), .int(128_008), .int(128_009)]) : .int(2),
    ]
    config["num_key_value_heads"] = settings["n_kv_heads"]
    config["head_dim"] = settings["head_dim"]
    config["rope_scaling"] = scaling
    config["sliding_window"] = settings["sliding_window"]
    let isMistral = settings["sliding_window"] != nil
    config["model_type"] = .string(isMistral ? "mistral" : "llama")
    config["architectures"] = .array([.string(isMistral ? "MistralForCausalLM" : "LlamaForCausalLM")])
    return .object(config)
  }

  private func isSet(_ key: String) -> Bool { settings[key] != nil && settings[key] != .bool(false) }

  private func required(_ key: String) throws(LMToolError) -> JSONValue {
    guard let value = settings[key], value.int != nil else {
      throw LMToolError(.badInput, "the settings lack it", file: file, at: .key(key), rule: "META-4")
    }
    return value
  }

  private func tensor(_ name: String) throws(LMToolError) -> any TensorReader {
    guard let tensor = tensors[name] else {
      throw LMToolError(
        .missingInput, "the model needs it, but the files do not have it", file: file, at: .tensor(name), rule: "MODEL-3")
    }
    return tensor
  }

  private var isScaled: Bool { settings["use_scaled_rope"]?.bool == true }

  private var scaling: JSONValue? {
    guard isScaled else { return nil }
    let isSmall = (settings["n_layers"]?.int ?? 0) < 32
    return .object([
      "rope_type": .string("llama3"), "factor": settings["rope_scaling_factor"] ?? .double(isSmall ? 32 : 8),
      "low_freq_factor": .double(1), "high_freq_factor": .double(4), "original_max_position_embeddings": .int(8192),
    ])
  }

  /// The longest context: the settings of Meta's models do not say it, so it is told by what does.
  private var context: JSONValue {
    if let given = settings["max_position_embeddings"] ?? settings["max_seq_len"] { return given }
    if isScaled { return .int(131_072) }
    switch settings["rope_theta"]?.double {
    case 500_000: return .int(8192)
    case 1_000_000: return .int(16_384)
    default: return .int((settings["norm_eps"]?.double ?? 1e-5) < 9e-6 ? 2048 : 4096)
    }
  }

  /// Whether the output matrix is the embedding: not there, or equal in every element.
  private func isTied(_ embedding: any TensorReader) throws(LMToolError) -> Bool {
    guard let output = tensors["output.weight"] else { return true }
    guard output.shape == embedding.shape, output.storage == embedding.storage else { return false }
    let size = 1 << 16, count = embedding.count
    let pieces = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * size)
    defer { pieces.deallocate() }
    for start in stride(from: 0, to: count, by: size) {
      let range = start..<min(start + size, count)
      let first = UnsafeMutableBufferPointer(rebasing: pieces[0..<range.count])
      let second = UnsafeMutableBufferPointer(rebasing: pieces[size..<size + range.count])
      try embedding.read(range, into: first)
      try output.read(range, into: second)
      guard first.elementsEqual(second) else { return false }
    }
    embedding.discard()
    output.discard()
    return true
  }
}
