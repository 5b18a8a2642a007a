/// What a GGUF file says about its tokenizer, under `tokenizer.ggml.`.
public struct GGUFTokenizerFields: Sendable, Equatable {
  /// `model`: "gpt2" is byte-level BPE, "llama" is SentencePiece.
  public var model: String
  /// `pre`: the name of the pre-tokenizer.
  public var pre: String?
  /// `tokens`: spelled as in tokenizer.json or tokenizer.model.
  public var tokens: [[UInt8]]
  /// `scores`, of SentencePiece.
  public var scores: [Float]?
  /// `token_type`.
  public var types: [Int32]?
  /// `merges`, of byte-level BPE: "a b".
  public var merges: [[UInt8]]?
  /// `bos_token_id`.
  public var bos: Int32?
  /// `eos_token_id`.
  public var eos: Int32?
  /// `eot_token_id`: ends a turn.
  public var endOfTurn: Int32?
  /// `unknown_token_id`.
  public var unknown: Int32?
  /// `padding_token_id`.
  public var padding: Int32?
  /// `add_bos_token`.
  public var addsBOS: Bool?
  /// `add_eos_token`.
  public var addsEOS: Bool?
  /// `add_space_prefix`.
  public var addsSpacePrefix: Bool?
  /// `remove_extra_whitespaces`; llama.cpp keeps it but does not heed it in SentencePiece BPE models.
  public var removesExtraSpaces: Bool?

  /// Fields with the two that every file must have.
  public init(model: String, tokens: [[UInt8]]) {
    self.model = model
    self.tokens = tokens
  }
}

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
  static func name(of rules: ByteLevelRules) -> String? {
    let known = ["gpt-2", "smollm", "llama-bpe", "qwen2", "stablelm2", "falcon", "default"]
    return known.first { steps(named: $0) == rules.steps && ignoringMerges.contains($0) == rules.ignoresMerges }
  }

  private static let ignoringMerges: Set<String> = ["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1"]

  private static func steps(named name: String) -> [PreTokenizerStep]? {
    switch name {
    case "gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "mpt", "olmo", "jais", "trillion": [.gpt2]
    case "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b": [.digits(individual: true), .gpt2]
    case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "dbrx", "smaug-bpe": [.split(.init(pattern: llama3))]
    case "qwen2", "deepseek-r1-qwen", "megrez", "stablelm2", "hunyuan": [.split(.init(pattern: qwen2))]
    case "falcon":
      [.punctuation(.contiguous), .gpt2, .split(.init(pattern: "[0-9][0-9][0-9]"))]
    case "default":
      [
        .punctuation(.contiguous), .split(.init(pattern: shortGPT2)), .digits(individual: false),
        .split(.init(pattern: "[0-9][0-9][0-9]")),
      ]
    default: nil
    }
  }

  private static let llama3 =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let qwen2 =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let shortGPT2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#
}
