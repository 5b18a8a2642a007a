import Checkpoints
import OrderedCollections
import Tensors
import Tokenizers

extension ModelSource {
  /// Opens a GGUF file, its tensors cut as the family's mapping says.
  public static func open(gguf path: String) throws(LMToolError) -> ModelSource {
    let file = try GGUFFile(path: path)
    guard let name = file.metadata["general.architecture"]?.string else {
      throw LMToolError(
        .badInput, "the file does not say which architecture it is", file: path, at: .key("general.architecture"), rule: "MODEL-1"
      )
    }
    let mapping = try Architectures.mapping(gguf: name, file: path)
    let config = try mapping.configuration(of: GGUFModel(file, name: name))
    let spec = try Architectures.spec(of: Configuration(config, file: path))
    var stored: OrderedDictionary<String, any TensorReader> = [:]
    // The rotary factors are not left over: they are part of the configuration.
    for (name, tensor) in file.tensors where !GGUFModel.factorNames.contains(name) {
      stored[name] = GGUFGridTensor(tensor) ?? tensor
    }
    var checkpoint = CheckpointTensors(stored, path: path)
    let isFused = stored["blk.0.attn_qkv.weight"] != nil
    let tensors = try checkpoint.cut(spec) { [mapping.slice(of: $0, in: spec, isFused: isFused)] }
    let text = GGUFText(file)
    var source = try ModelSource(
      path: path, format: "GGUF v\(file.version)", spec: spec, config: config, available: tensors,
      unused: checkpoint.unused, files: file.files)
    source.tokenizer = text.tokenizer
    source.tokenizerProblem = text.problem
    source.chatTemplate = text.chatTemplate
    return source
  }
}

/// The tokenizer and chat template inside a GGUF file.
struct GGUFText {
  var tokenizer: TokenizerDefinition?
  var problem: LMToolError?
  var chatTemplate: String?

  init(_ file: GGUFFile) {
    chatTemplate = file.metadata["tokenizer.chat_template"]?.string
    guard let model = file.metadata["tokenizer.ggml.model"]?.string, let tokens = file.metadata["tokenizer.ggml.tokens"]?.strings
    else {
      return
    }
    func value(_ key: String) -> GGUFValue? { file.metadata["tokenizer.ggml." + key] }
    var fields = GGUFTokenizerFields(model: model, tokens: tokens)
    fields.pre = value("pre")?.string
    fields.scores = value("scores")?.floats
    fields.types = value("token_type")?.ints?.map { Int32(clamping: $0) }
    fields.merges = value("merges")?.strings
    fields.characterMap = value("precompiled_charsmap")?.ints?.map { UInt8(truncatingIfNeeded: $0) }
    func id(_ key: String) -> Int32? { value(key + "_token_id")?.int.flatMap { Int32(exactly: $0) } }
    fields.bos = id("bos")
    fields.eos = id("eos")
    fields.endOfTurn = id("eot")
    fields.unknown = id("unknown")
    fields.padding = id("padding")
    fields.addsBOS = value("add_bos_token")?.bool
    fields.addsEOS = value("add_eos_token")?.bool
    fields.addsSpacePrefix = value("add_space_prefix")?.bool
    fields.removesExtraSpaces = value("remove_extra_whitespaces")?.bool
    do throws(LMToolError) {
      tokenizer = try TokenizerDefinition(gguf: fields)
    } catch { problem = error.within(file: file.file.path) }
  }
}
