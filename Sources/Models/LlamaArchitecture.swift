import Checkpoints
import Tensors

/// LLaMA 1, 2 and 3.x, Mistral, SmolLM, TinyLlama: pre-norm blocks with RMSNorm, rotary grouped-query attention and a
/// SiLU-gated MLP. Facts: `transformers` modeling_llama.py and modeling_mistral.py; llama.cpp conversion/llama.py.
struct LlamaArchitecture: Architecture {
  let modelTypes = ["llama", "mistral", "ministral"]
  let ggufName = "llama"
  let ggufInterleavesRotary = true

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    let dimensions = try Dimensions(configuration)
    let prefix = "model."
    let embedding = TensorSpec(
      name: prefix + "embed_tokens.weight", role: .embedding, shape: [dimensions.vocabulary, dimensions.width])
    let head = TensorSpec(name: "lm_head.weight", role: .head, shape: embedding.shape)
    let finalNorm = TensorSpec(name: prefix + "norm.weight", role: .finalNorm, shape: [dimensions.width])
    let windows = try windows(of: configuration, layers: dimensions.layers)
    return ModelSpec(
      vocabularySize: dimensions.vocabulary, width: dimensions.width, contextLength: dimensions.context, embedding: embedding,
      layers: (0..<dimensions.layers).map { LayerBuilder(dimensions, layer: $0, prefix: prefix).layer(window: windows[$0]) },
      finalNorm: NormSpec(kind: .rms, epsilon: dimensions.epsilon, weight: finalNorm),
      head: LinearSpec(weight: dimensions.isTied ? embedding : head))
  }

  /// The sliding window of each layer: none for LLaMA; for Mistral `sliding_window`, where `layer_types` does not say
  /// that a layer sees everything.
  private func windows(of configuration: Configuration, layers: Int) throws(LMToolError) -> [Int?] {
    guard try configuration.modelType() != "llama" else { return Array(repeating: nil, count: layers) }
    let window = try configuration.integerIfPresent("sliding_window")
    guard let kinds = configuration.json["layer_types"]?.array else { return Array(repeating: window, count: layers) }
    guard kinds.count == layers else {
      throw configuration.refuse("layer_types", "it names \(kinds.count) layers, but there are \(layers)")
    }
    return kinds.map { $0.string == "sliding_attention" ? window : nil }
  }

  func configuration(of gguf: GGUFFile) throws(LMToolError) -> JSONValue {
    try LlamaGGUF(file: gguf).configuration()
  }

  func ggufMetadata(of spec: ModelSpec) -> [(String, GGUFValue)] { LlamaGGUF.metadata(of: spec) }
}

/// The numbers of a LLaMA configuration, checked against each other.
private struct Dimensions {
  let vocabulary, width, layers, heads, keyValueHeads, headSize, channels, context: Int
  let epsilon: Float
  let rotary: RotarySpec
  let isTied, hasAttentionBias, hasMLPBias: Bool

  init(_ configuration: Configuration) throws(LMToolError) {
    vocabulary = try configuration.integer("vocab_size")
    width = try configuration.integer("hidden_size")
    layers = try configuration.integer("num_hidden_layers", in: 1...4096)
    heads = try configuration.integer("num_attention_heads", in: 1...65536)
    keyValueHeads = try configuration.integerIfPresent("num_key_value_heads", in: 1...65536) ?? heads
    guard heads % keyValueHeads == 0 else {
      throw configuration.refuse("num_key_value_heads", "it is \(keyValueHeads), which does not divide the \(heads) heads")
    }
    headSize = try configuration.integerIfPresent("head_dim", in: 2...65536) ?? width / heads
    guard headSize >= 2, headSize % 2 == 0 else {
      throw configuration.refuse("head_dim", "heads have \(headSize) elements; rotary embedding needs an even number")
    }
    channels = try configuration.integer("intermediate_size")
    context = try configuration.integerIfPresent("max_position_embeddings", in: 1...(1 << 30)) ?? 2048
    epsilon = Float(try configuration.positive("rms_norm_eps") ?? 1e-6)
    rotary = try configuration.rotary()
    isTied = try configuration.flag("tie_word_embeddings", default: false)
    hasAttentionBias = try configuration.flag("attention_bias", default: false)
    hasMLPBias = try configuration.flag("mlp_bias", default: false)
    let activation = configuration.json["hidden_act"] ?? .string("silu")
    guard activation == .string("silu") else {
      let name = activation.string?.printable ?? "given"
      throw configuration.refuse("hidden_act", "the activation \(name) is not supported here; silu is")
    }
  }
}

/// Names and shapes of one layer.
private struct LayerBuilder {
  let dimensions: Dimensions
  let layer: Int
  let prefix: String

  init(_ dimensions: Dimensions, layer: Int, prefix: String) {
    self.dimensions = dimensions
    self.layer = layer
    self.prefix = "\(prefix)layers.\(layer)."
  }

  func layer(window: Int?) -> LayerSpec {
    LayerSpec(
      attentionNorm: norm("input_layernorm", .attentionNorm), attention: attention(window: window),
      mlpNorm: norm("post_attention_layernorm", .mlpNorm), mlp: mlp())
  }

  private func norm(_ name: String, _ role: TensorRole) -> NormSpec {
    let weight = TensorSpec(name: "\(prefix)\(name).weight", role: role, layer: layer, shape: [dimensions.width])
    return NormSpec(kind: .rms, epsilon: dimensions.epsilon, weight: weight)
  }

  private func linear(_ name: String, _ role: TensorRole, _ outputs: Int, _ inputs: Int, bias: Bool) -> LinearSpec {
    let weight = TensorSpec(name: "\(prefix)\(name).weight", role: role, layer: layer, shape: [outputs, inputs])
    let offset = TensorSpec(name: "\(prefix)\(name).bias", role: role, layer: layer, shape: [outputs])
    return LinearSpec(weight: weight, bias: bias ? offset : nil)
  }

  private func attention(window: Int?) -> AttentionSpec {
    let d = dimensions
    let queries = d.heads * d.headSize, keys = d.keyValueHeads * d.headSize, bias = d.hasAttentionBias
    return AttentionSpec(
      heads: d.heads, keyValueHeads: d.keyValueHeads, headSize: d.headSize, scale: 1 / Float(d.headSize).squareRoot(),
      rotary: d.rotary, window: window,
      query: linear("self_attn.q_proj", .query, queries, d.width, bias: bias),
      key: linear("self_attn.k_proj", .key, keys, d.width, bias: bias),
      value: linear("self_attn.v_proj", .value, keys, d.width, bias: bias),
      output: linear("self_attn.o_proj", .attentionOutput, d.width, queries, bias: bias))
  }

  private func mlp() -> MLPSpec {
    let d = dimensions, bias = d.hasMLPBias
    return MLPSpec(
      activation: .silu, gate: linear("mlp.gate_proj", .gate, d.channels, d.width, bias: bias),
      up: linear("mlp.up_proj", .up, d.channels, d.width, bias: bias),
      down: linear("mlp.down_proj", .down, d.width, d.channels, bias: bias))
  }
}
