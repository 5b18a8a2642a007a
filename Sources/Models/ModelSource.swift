import OrderedCollections
import Tensors
import Tokenizers

/// A model as every stage sees it, whatever file it came from: what it is, and where its numbers are. Opening one reads
/// headers only; tensors are read when asked for.
public struct ModelSource: Sendable {
  /// The path that was opened.
  public var path: String
  /// The kind of file, for tables: "safetensors", "GGUF v3", "llama2.c v0".
  public var format: String
  /// The layers.
  public var spec: ModelSpec
  /// The Hugging Face configuration.
  public var config: JSONValue
  /// The tensors of `spec`, by their names, in the order of computation.
  public var tensors: OrderedDictionary<String, any TensorReader>
  /// Names of tensors in the file that the model does not use.
  public var unused: [String]
  /// The tokenizer, where the files have one.
  public var tokenizer: TokenizerDefinition?
  /// Why there is no tokenizer, when there is something that is not understood.
  public var tokenizerProblem: LMToolError?
  /// The chat template as the files have it: Jinja.
  public var chatTemplate: String?
  /// `generation_config.json`.
  public var generation: JSONValue?
  /// Whether tokenizer and settings are no longer those of `files`, so that these must not be carried over.
  public var hasChangedTexts = false
  /// The files that were read, for provenance.
  public var files: [MappedFile]

  /// A model whose tensors are found among `available`, under their own names; the texts are added afterwards.
  ///
  /// - Parameter unused: names of stored tensors that are left over.
  /// - Throws: see `pair`; `badInput` (MODEL-7) when a tensor that is left over is of a layer that the model does not have.
  public init(
    path: String, format: String, spec: ModelSpec, config: JSONValue, available: OrderedDictionary<String, any TensorReader>,
    unused: [String], files: [MappedFile]
  ) throws(LMToolError) {
    self.path = path
    self.format = format
    self.spec = spec
    self.config = config
    self.files = files
    self.unused = unused
    tensors = try Self.pair(spec, with: available, path: path)
    try Self.checkLayers(of: unused, spec: spec, path: path)
  }

  /// A model of Hugging Face's: its configuration, and tensors as checkpoints of the family hold them, whatever wraps their names.
  ///
  /// - Throws: `missingInput` (MODEL-3), `badInput` (MODEL-1, -2, -4, -6, -7).
  public init(
    path: String, format: String, configuration: Configuration, stored: OrderedDictionary<String, any TensorReader>,
    files: [MappedFile]
  ) throws(LMToolError) {
    let configuration = try configuration.ofLanguageModel().named()
    let spec = try Architectures.spec(of: configuration)
    let names = StoredNames(stored.keys, embedding: spec.embedding.slices[0].name)
    var named: OrderedDictionary<String, any TensorReader> = [:]
    for (name, tensor) in stored { named[names.canonical(name)] = tensor }
    var checkpoint = CheckpointTensors(named, path: path)
    let tensors = try checkpoint.cut(spec, slices: \.slices)
    try self.init(
      path: path, format: format, spec: spec, config: configuration.json, available: tensors,
      unused: checkpoint.unused.filter { !StoredNames.isKnown($0, isTied: spec.isTied) }, files: files)
  }

  /// Refuses tensors of layers that the configuration does not have (MODEL-7): the two are not of one model.
  private static func checkLayers(of names: [String], spec: ModelSpec, path: String) throws(LMToolError) {
    for name in names {
      let parts = name.split(separator: ".")
      guard let at = parts.firstIndex(where: { ["layers", "blk", "h"].contains($0) }), at + 1 < parts.count else { continue }
      guard let layer = Int(parts[at + 1]), layer >= spec.layers.count else { continue }
      throw LMToolError(
        .badInput, "it belongs to layer \(layer), but the configuration has \(spec.layers.count) layers", file: path,
        at: .tensor(name), rule: "MODEL-7")
    }
  }

  /// Pairs the tensors that a file has with those that the model needs.
  ///
  /// - Throws: `missingInput` when one is not there (MODEL-3), `badInput` when a shape contradicts the configuration (MODEL-4)
  ///   or the elements are integers (MODEL-6).
  private static func pair(
    _ spec: ModelSpec, with available: OrderedDictionary<String, any TensorReader>, path: String
  ) throws(LMToolError) -> OrderedDictionary<String, any TensorReader> {
    var tensors: OrderedDictionary<String, any TensorReader> = [:]
    for needed in spec.tensors {
      let tensor = try available.needed(needed.name, shape: needed.shape, path: path)
      if case .plain(let type) = tensor.storage, !type.isFloat {
        throw LMToolError(
          .badInput, "it holds \(type.rawValue) integers; weights are floats, or codes that quantization_config describes",
          file: path, at: .tensor(needed.name), rule: "MODEL-6")
      }
      tensors[needed.name] = tensor
    }
    return tensors
  }

  /// The reader of a tensor of `spec`.
  public func tensor(_ spec: TensorSpec) throws(LMToolError) -> any TensorReader {
    guard let tensor = tensors[spec.name] else {
      throw LMToolError(.bug, "the model was opened without it", file: path, at: .tensor(spec.name))
    }
    return tensor
  }

  /// Parameters in all, tied ones once.
  public var parameterCount: Int { tensors.values.reduce(0) { $0 + $1.count } }

  /// The tokens that end a text: those of the generation settings, the configuration and the tokenizer.
  public var endTokens: Set<Int32> {
    let configured = [generation, config].compactMap { $0 }.flatMap { Configuration($0).endTokens }
    return Set(configured + (tokenizer?.eos ?? [])).filter { $0 < Int32(clamping: spec.vocabularySize) }
  }

  /// The tokenizer, ready for use.
  ///
  /// - Throws: `missingInput` when the model has none, or the reason why it is not understood.
  public func makeTokenizer() throws(LMToolError) -> Tokenizer {
    if let tokenizerProblem { throw tokenizerProblem }
    guard let tokenizer else {
      throw LMToolError(
        .missingInput,
        "the model has no tokenizer; put tokenizer.json or tokenizer.model beside it, or name one with --tokenizer", file: path)
    }
    return try Tokenizer(tokenizer)
  }
}
