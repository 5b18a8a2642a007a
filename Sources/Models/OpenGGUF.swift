import Checkpoints
import OrderedCollections
import Tensors
import Tokenizers

extension ModelSource {
  /// Opens a GGUF file: its tensors under Hugging Face names, rows of queries and keys back in half order.
  public static func open(gguf path: String) throws(LMToolError) -> ModelSource {
    let file = try GGUFFile(path: path)
    guard let name = file.metadata["general.architecture"]?.string else {
      throw LMToolError(
        .badInput, "the file does not say which architecture it is", file: path, at: .key("general.architecture"), rule: "MODEL-1"
      )
    }
    let family = try Architectures.named(gguf: name, file: path)
    let config = try family.configuration(of: file)
    let spec = try family.spec(of: Configuration(config, file: path))
    let tensors = renamed(file, spec: spec, family: family)
    let text = GGUFText(file)
    var source = try ModelSource(
      path: path, format: "GGUF v\(file.version)", spec: spec, config: config, available: tensors, files: [file.file])
    source.tokenizer = text.tokenizer
    source.tokenizerProblem = text.problem
    source.chatTemplate = text.chatTemplate
    return source
  }

  private static func renamed(
    _ file: GGUFFile, spec: ModelSpec, family: any Architecture
  ) -> OrderedDictionary<String, any TensorReader> {
    let specs = Dictionary(spec.tensors.map { ($0.ggufName, $0) }, uniquingKeysWith: { first, _ in first })
    var tensors: OrderedDictionary<String, any TensorReader> = [:]
    // The rotary divisors are not left over: they are part of the configuration.
    for (name, tensor) in file.tensors where name != "rope_freqs.weight" {
      guard let needed = specs[name] else {
        tensors[name] = tensor
        continue
      }
      var order: RowOrder?
      if let layer = needed.layer, needed.role.isRotated, family.ggufInterleavesRotary {
        order = .halfFromInterleaved(headSize: spec.layers[layer].attention.headSize)
      }
      tensors[needed.name] = reader(of: tensor, name: needed.name, order: order)
    }
    return tensors
  }
}

extension ModelSource {
  private static func reader(of tensor: GGUFTensor, name: String, order: RowOrder?) -> any TensorReader {
    if let grid = GGUFGridTensor(tensor) { return ReorderedGridTensor(base: grid, name: name, order: order) }
    guard let order else { return RenamedTensor(base: tensor, name: name) }
    return ReorderedTensor(base: tensor, name: name, order: order)
  }
}

extension TensorRole {
  /// Whether rotary embedding acts on the outputs of this projection.
  public var isRotated: Bool { self == .query || self == .key }
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
