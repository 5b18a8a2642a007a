import Checkpoints
import Tensors

/// Gemma 1, 2 or 3: norms are stored as w, not as w - 1.
struct GemmaGGUF: GGUFMapping {
  /// 1, 2 or 3.
  let generation: Int

  /// The number of layers of the 27B model, whose scores llama.cpp scales otherwise.
  private var largest: Int { generation == 2 ? 46 : 62 }
  /// Every how many layers one sees everything, where the file does not say it.
  private var usualPattern: Int { generation == 2 ? 2 : 6 }

  var traits: GGUFTraits {
    let types = ["gemma", "gemma2", "gemma3_text"], names = ["gemma", "gemma2", "gemma3"]
    let classes = ["GemmaForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM"]
    var traits = GGUFTraits(names[generation - 1], [types[generation - 1]], classes[generation - 1])
    traits.keys = ["hidden_act": "hidden_activation"]
    traits.activation = "gelu_pytorch_tanh"
    traits.normAddend = 1
    traits.hasFreeHeadSize = true
    traits.tiedHead = generation == 3 ? .absent : .always
    traits.windows = generation == 1 ? .cut : .computed
    return traits
  }

  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {
    config["attention_bias"] = .bool(model.has("blk.0.attn_q.bias"))
    guard generation > 1, let width = config["hidden_size"]?.int, let heads = config["num_attention_heads"]?.int,
      let headSize = config["head_dim"]?.int, let layers = config["num_hidden_layers"]?.int
    else { return }
    config["query_pre_attn_scalar"] = .int(layers == largest ? max(1, width / heads) : headSize)
    func softcap(_ key: String, usual: Double) -> JSONValue {
      let value = model.number(key) ?? (generation == 2 ? usual : 0)
      return value == 0 ? .null : .double(value)
    }
    config["attn_logit_softcapping"] = generation == 2 ? softcap("attn_logit_softcapping", usual: 50) : .null
    config["final_logit_softcapping"] = softcap("final_logit_softcapping", usual: 30)
    try addWindows(to: &config, of: model, layers: layers)
    guard generation == 3 else { return }
    config["rope_local_base_freq"] = .double(model.number("rope.freq_base_swa") ?? 10000)
  }

  private func addWindows(
    to config: inout [String: JSONValue], of model: GGUFModel, layers: Int
  ) throws(LMToolError) {
    let key = "attention.sliding_window", window = model.value(key)?.int ?? (generation == 2 ? 4096 : 0)
    config["sliding_window"] = window == 0 ? .null : .int(window)
    var slides = Self.pattern(usualPattern, layers: layers)
    switch model.value(key + "_pattern") {
    case nil: break
    case .array(.bool(let flags))?: slides = flags
    case let value?:
      guard let every = value.int, every >= 0 else { throw model.refuse(key + "_pattern", "it must be a number or truth values") }
      slides = Self.pattern(every, layers: layers)
    }
    guard slides.count == layers, layers <= 4096 else {
      throw model.refuse(key + "_pattern", "it says which of \(slides.count) layers have a window, but there are \(layers)")
    }
    config["layer_types"] = .array(slides.map { .string($0 && window != 0 ? "sliding_attention" : "full_attention") })
  }

  /// Which layers have a window: all but the last of every `every`.
  private static func pattern(_ every: Int, layers: Int) -> [Bool] {
    (0..<min(layers, 4096)).map { every == 0 || $0 % every < every - 1 }
  }

  func metadata(beyondCommon spec: ModelSpec) -> [(String, GGUFValue)] {
    guard generation > 1 else { return [] }
    var pairs: [(String, GGUFValue)] = []
    if let softcap = spec.layers[0].attention.softcap { pairs.append(("attn_logit_softcapping", .float32(softcap))) }
    if let softcap = spec.logitSoftcap { pairs.append(("final_logit_softcapping", .float32(softcap))) }
    guard let window = spec.narrowestWindow else { return pairs }
    pairs.append(("attention.sliding_window", .uint32(UInt32(clamping: window))))
    let slides = spec.layers.map { $0.attention.window != nil }
    if slides != Self.pattern(usualPattern, layers: slides.count) {
      pairs.append(("attention.sliding_window_pattern", .array(.bool(slides))))
    }
    let local = spec.layers.first { $0.attention.window != nil }?.attention.rotary
    if generation == 3, let local { pairs.append(("rope.freq_base_swa", .float32(Float(local.base)))) }
    return pairs
  }
}
