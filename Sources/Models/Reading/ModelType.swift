import Tensors

extension Configuration {
  /// The family: `model_type`, in lower case; where older files lack it, what `architectures` names, or GPT-2 by its keys.
  func modelType() throws(LMToolError) -> String {
    if let type = json["model_type"]?.string { return type.lowercased() }
    if json["model_type"] == nil, let type = typeOfClass() { return type }
    if json["model_type"] == nil, json["n_embd"] != nil, json["n_head"] != nil, json["n_layer"] != nil, json["n_ctx"] != nil {
      return "gpt2"
    }
    throw refuse("model_type", "the configuration does not say which family the model is of")
  }

  /// The type whose class `architectures` names: "GPTNeoXForCausalLM" is of "gpt_neox".
  private func typeOfClass() -> String? {
    guard var name = json["architectures"]?.array?.first?.string else { return nil }
    for suffix in ["ForCausalLM", "LMHeadModel", "Model"] where name.hasSuffix(suffix) {
      name.removeLast(suffix.count)
      break
    }
    func letters(_ text: String) -> String { text.lowercased().filter { $0 != "_" && $0 != "-" } }
    return Architectures.registry.flatMap(\.modelTypes).first { letters($0) == letters(name) }
  }

  /// The configuration with its family named, which older files lack and `transformers` needs.
  func named() throws(LMToolError) -> Configuration {
    let type = try modelType()
    guard json["model_type"] == nil, var members = json.object else { return self }
    members["model_type"] = .string(type)
    var configuration = self
    configuration.json = .object(members)
    return configuration
  }

  /// The configuration of the language model inside a multimodal one whose text is of a family that is known: Gemma 3, Mistral 3. Any
  /// other is its own (MODEL-11).
  func ofLanguageModel() -> Configuration {
    guard let type = json["model_type"]?.string, let usual = Self.wrapped[type.lowercased()] else { return self }
    guard var members = json["text_config"]?.object else { return self }
    let inner = json["text_config"]?["model_type"]?.string ?? usual
    members["model_type"] = .string(inner)
    members["architectures"] = Self.classes[inner].map { .array([.string($0)]) }
    for key in Self.shared where members[key] == nil { members[key] = json[key] }
    var configuration = self
    configuration.json = .object(members)
    return configuration
  }

  /// Keys that multimodal configurations may have outside of the text's.
  private static let shared = [
    "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id", "dtype", "torch_dtype", "quantization_config",
  ]

  /// The type of the language model in a multimodal one that does not say it.
  private static let wrapped = ["gemma3": "gemma3_text", "mistral3": "mistral"]

  /// The classes of language models that are found inside of multimodal ones.
  private static let classes = [
    "gemma3_text": "Gemma3ForCausalLM", "mistral": "MistralForCausalLM", "ministral3": "Ministral3ForCausalLM",
  ]
}

/// What a model that is of no known family is, in words.
enum UnsupportedModel {
  /// Why a model is not supported: what was found in its configuration.
  static func reason(_ configuration: Configuration, type: String) -> String {
    let name = type.printable
    for key in ["num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts", "num_moe_experts"] {
      if let count = configuration.json[key]?.int, count > 1 {
        return "the \(name) model is a mixture of experts (\(key) is \(count)), which is not supported"
      }
    }
    func has(_ key: String) -> Bool { configuration.json[key] != nil }
    if let key = ["vision_config", "vision_tower", "mm_vision_tower", "visual", "audio_config"].first(where: has) {
      return "the \(name) model has parts that are no language model (\(key)), which are not supported"
    }
    if type.contains("rwkv") || type.contains("mamba") || has("ssm_cfg") || has("state_size") {
      return "the \(name) model is recurrent, without attention over all tokens, which is not supported"
    }
    if configuration.json["is_encoder_decoder"]?.bool == true {
      return "the \(name) model has an encoder and a decoder, which is not supported"
    }
    return "models of the type \(name) are not supported"
  }
}
