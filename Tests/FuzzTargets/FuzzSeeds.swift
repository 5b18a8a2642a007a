import Artifacts
import Compression
import FoundationEssentials
import Models
import Tensors
import TestSupport
import Tokenizers

/// Sound inputs that are put together from fixtures, or made, because no fixture is one by itself.
public enum FuzzSeeds {
  /// The models that adapters are merged into, by the first byte of the input, and the adapters of `fixtures/lora` for them.
  static let bases = ["llama_yarn", "gpt_neox", "phi3", "gptj"]
  private static let adapters = ["llama", "gpt_neox", "phi3", "gptj"]

  /// The inputs of a target; none where fixtures are inputs.
  ///
  /// - Throws: when a fixture cannot be read.
  public static func of(_ target: FuzzTarget) throws -> [[UInt8]] {
    switch target {
    case .tokenizerJSON: return try tokenizers()
    case .tekken: return [tekken, tekken.filter { $0 != UInt8(ascii: "I") }]
    case .tiktoken:
      return [Array(tokens.enumerated().map { rank($0.offset, $0.element) }.joined()), bytes("#\nYQ== 0\nYg== 1\n")]
    case .characterMap:
      let definition = try TokenizerDefinition.read(sentencePiece: Fixtures.path("tokenizers/unigram-mapped.model"))
      guard case .sentencePiece(let rules) = definition.model else { return [] }
      return [[0] + rules.characterMap, [1] + rules.characterMap]
    case .template: return try templates()
    case .adapter: return try adapters.indices.map { try adapter($0) }
    case .certificate: return [try certificate()]
    case .safetensors, .gguf, .llama2c, .pytorch, .pickle, .numpy, .ggml, .quantized, .sentencePiece, .lmz,
      .calibration:
      return []
    }
  }

  /// A tokenizer.json of each kind.
  private static func tokenizers() throws -> [[UInt8]] {
    let byteLevel = try TokenizerDefinition.read(tokenizerJSON: Fixtures.path("tokenizers/smollm-tokenizer.json"))
    let pieces = try ["tok512", "unigram", "unigram-mapped"].map {
      try TokenizerDefinition.read(sentencePiece: Fixtures.path("tokenizers/\($0).model"))
    }
    return try ([try byteLevel.trimmed(keeping: 0..<300).definition] + pieces).map { try $0.tokenizerJSON() }
  }

  /// All bytes, and a few words.
  private static let tokens =
    (0...255).map { [UInt8($0)] }
    + [" t", "th", "he", " a", "the", " the", "\u{E9}", "ll", "hell", "on", "[INST]"].map { bytes($0) }

  /// A line of a rank file.
  static func rank(_ rank: Int, _ token: [UInt8]) -> [UInt8] { bytes("\(base64(token)) \(rank)\n") }

  private static func base64(_ token: [UInt8]) -> String { Data(token).base64EncodedString() }

  private static let tekken: [UInt8] = {
    let vocabulary = tokens.enumerated().map {
      #"{"rank":\#($0.offset),"token_bytes":"\#(base64($0.element))","token_str":null}"#
    }
    let special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"].enumerated().map {
      #"{"rank":\#($0.offset),"token_str":"\#($0.element)"}"#
    }
    let config =
      #"{"pattern":" ?[a-z]+|\\s+|.","default_vocab_size":\#(tokens.count + 8),"default_num_special_tokens":8,"version":"v3"}"#
    return bytes(
      #"{"config":\#(config),"vocab":[\#(vocabulary.joined(separator: ","))],"special_tokens":[\#(special.joined(separator: ","))]}"#
    )
  }()

  /// Families' templates, alone and with a conversation that has tools, and small ones of every feature.
  private static func templates() throws -> [[UInt8]] {
    let json = try decodeJSON(JSONValue.self, file: MappedFile(path: Fixtures.path("templates/expected.json")))
    func texts(_ key: String) -> [String] {
      (json[key]?.object ?? [:]).sorted { $0.key < $1.key }.compactMap(\.value.string)
    }
    let families = texts("templates"), talks = texts("conversations")
    let snippets = (json["snippets"]?.array ?? []).compactMap { $0.array?.first?.string }
    return families.map { bytes($0) } + zip(families, talks).map { bytes($0) + [0] + bytes($1) }
      + snippets.map { bytes($0) + [0] + bytes(json["variables"]?.string ?? "") }
      + ChatTemplate.allNames.compactMap { try? ChatTemplate.named($0).map { bytes($0.source) } }
  }

  private static func certificate() throws -> [UInt8] {
    let model = try ModelSource.open(stories)
    return try CertificateMaking(original: model).certify(model, allowance: 6_000).encoded()
  }

  private static func adapter(_ base: Int) throws -> [UInt8] {
    let folder = Fixtures.path("lora/\(adapters[base])/adapter")
    let config = try contents(folder + "/adapter_config.json"), tensors = try contents(folder + "/adapter_model.safetensors")
    return [UInt8(base), UInt8(config.count & 255), UInt8(config.count >> 8)] + config + tensors
  }
}
