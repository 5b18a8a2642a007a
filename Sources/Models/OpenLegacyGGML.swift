import Checkpoints
import OrderedCollections
import Tensors
import Tokenizers

extension ModelSource {
  /// Opens a LLaMA file of llama.cpp from before GGUF. Its tokenizer is in it.
  public static func open(ggml path: String) throws(LMToolError) -> ModelSource {
    let file = try LegacyGGMLFile(path: path)
    let config = try configuration(of: file)
    let spec = try Architectures.spec(of: Configuration(config, file: path))
    let (tensors, unused) = try MetaNames.cut(file.readers, spec, path: path)
    var source = try ModelSource(
      path: path, format: "GGML, \(file.version.rawValue)", spec: spec, config: config, available: tensors, unused: unused,
      files: [file.file])
    do throws(LMToolError) {
      source.tokenizer = try tokenizer(of: file)
    } catch { source.tokenizerProblem = error.within(file: path) }
    return source
  }

  /// What the file does not say is as in `convert_llama_ggml_to_gguf.py` of llama.cpp. The key-value heads are told by their matrix.
  private static func configuration(of file: LegacyGGMLFile) throws(LMToolError) -> JSONValue {
    let size = file.parameters
    let headSize = size.width / size.heads
    let keyRows = file.readers["layers.0.attention.wk.weight"]?.shape.first ?? size.width
    let settings: [String: JSONValue] = [
      "dim": .int(size.width), "n_layers": .int(size.layers), "n_heads": .int(size.heads),
      "n_kv_heads": .int(headSize > 0 ? keyRows / headSize : size.heads), "norm_eps": .double(5e-6),
      "max_seq_len": .int(2048),
    ]
    return try MetaConfiguration(settings: .object(settings), file: file.file.path, tensors: file.readers).json()
  }

  /// The vocabulary as that of a SentencePiece model of GGUF: tokens 3 to 258 are bytes, spaces are U+2581.
  private static func tokenizer(of file: LegacyGGMLFile) throws(LMToolError) -> TokenizerDefinition {
    let bytes = 3..<259, hexadecimal = Array("0123456789ABCDEF".utf8), space = Array("\u{2581}".utf8)
    guard file.vocabulary.count >= bytes.upperBound else {
      throw LMToolError(.badInput, "the vocabulary has no tokens for bytes", rule: "GGML-2")
    }
    var tokens: [[UInt8]] = [], types: [Int32] = []
    for (id, token) in file.vocabulary.enumerated() {
      if bytes.contains(id) {
        let byte = id - bytes.lowerBound
        tokens.append(Array("<0x".utf8) + [hexadecimal[byte >> 4], hexadecimal[byte & 15]] + Array(">".utf8))
      } else if id < bytes.lowerBound {
        tokens.append(Array(["<unk>", "<s>", "</s>"][id].utf8))
      } else {
        tokens.append(token.bytes.flatMap { $0 == 0x20 ? space : [$0] })
      }
      types.append(id == 0 ? 2 : id < bytes.lowerBound ? 3 : bytes.contains(id) ? 6 : 1)
    }
    var fields = GGUFTokenizerFields(model: "llama", tokens: tokens)
    fields.scores = file.vocabulary.enumerated().map { $1.score ?? -Float(max($0 - bytes.upperBound, 0)) }
    fields.types = types
    (fields.unknown, fields.bos, fields.eos) = (0, 1, 2)
    return try TokenizerDefinition(gguf: fields)
  }
}
