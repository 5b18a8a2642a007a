/// The pre-tokenizers that llama.cpp knows by name, as far as they are known here.
enum GGUFPreTokenizers {
  /// The rules of the pre-tokenizer `name`, nil when it is not known here.
  static func rules(named name: String) -> ByteLevelRules? {
    guard let steps = steps(named: name) else { return nil }
    var rules = ByteLevelRules()
    rules.steps = steps
    rules.ignoresMerges = ignoringMerges.contains(name)
    return rules
  }

  /// The name of the pre-tokenizer with the steps of `rules`, nil when llama.cpp has none.
  ///
  /// Of names with the same steps it is the one of the family that is most common; whether whole words are taken without merging
  /// goes with the name, and where no name has both, the steps decide: merges make nearly all whole words anyway.
  static func name(of rules: ByteLevelRules) -> String? {
    let known = [
      "gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", "qwen35", "tekken", "gpt-4o", "chatglm-bpe", "falcon", "deepseek-v3",
      "seed-coder",
      "default",
    ].filter { steps(named: $0) == rules.steps }
    return known.first { ignoringMerges.contains($0) == rules.ignoresMerges } ?? known.first
  }

  private static let ignoringMerges: Set<String> = [
    "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano", "tekken", "glm4",
    "glm5",
  ]

  private static func steps(named name: String) -> [PreTokenizerStep]? {
    switch name {
    case "gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "gigachat", "mpt", "olmo", "jais", "trillion",
      "a.x-4.0",
      "mellum", "modern-bert", "exaone4", "granite-docling":
      [.gpt2]
    case "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2":
      [.digits(individual: true), .gpt2]
    case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano", "dbrx",
      "smaug-bpe",
      "chatglm-bpe", "glm4", "glm5":
      [.split(.init(pattern: PreTokenizerPattern.llama3))]
    case "qwen2", "deepseek-r1-qwen", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2", "kormo", "f2llmv2":
      [.split(.init(pattern: PreTokenizerPattern.qwen2))]
    case "qwen35": [.split(.init(pattern: PreTokenizerPattern.qwen35))]
    case "tekken": [.split(.init(pattern: PreTokenizerPattern.tekken))]
    case "gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2": [.split(.init(pattern: PreTokenizerPattern.gpt4o))]
    case "seed-coder": [.split(.init(pattern: PreTokenizerPattern.seedCoder))]
    case "deepseek-v3", "hunyuan-dense", "joyai-llm":
      [#"\p{N}{1,3}"#, "[一-龥぀-ゟ゠-ヿ]+", PreTokenizerPattern.deepSeek3].map { .split(.init(pattern: $0)) }
    case "deepseek-coder":
      ["[\r\n]", #"\s?\p{L}+"#, #"\s?\p{P}+"#, "[一-龥ࠀ-一가-퟿]+", #"\p{N}"#].map { .split(.init(pattern: $0)) }
    case "falcon":
      [.punctuation(.contiguous), .gpt2, .split(.init(pattern: "[0-9][0-9][0-9]"))]
    case "default":
      [
        .punctuation(.contiguous), .split(.init(pattern: PreTokenizerPattern.shortGPT2)), .digits(individual: false),
        .split(.init(pattern: "[0-9][0-9][0-9]")),
      ]
    default: nil
    }
  }
}
