import Checkpoints
import OrderedCollections
import Quantization
import Tensors
import Tokenizers

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension ModelSource {
  /// Opens a Hugging Face directory, or one .safetensors file with `config.json` beside it: float, or quantized by lmtool.
  public static func open(safetensors path: String) throws(LMToolError) -> ModelSource {
    try open(weights: try SafetensorsCheckpoint(path: path), path: path, format: "safetensors")
  }

  /// A model of Hugging Face's tensors, whatever the container, with `config.json` beside it.
  static func open(weights checkpoint: any Checkpoint, path: String, format: String) throws(LMToolError) -> ModelSource {
    let folder = isFolder(path) ? path : parent(of: path)
    let configFile = folder + "/config.json"
    guard access(configFile, F_OK) == 0 else {
      throw LMToolError(.missingInput, "there is no config.json beside the weights; it says what the model is", file: configFile)
    }
    var config = try decodeJSON(JSONValue.self, file: try MappedFile(path: configFile))
    let spec = try Architectures.spec(of: Configuration(config, file: configFile))
    let foreign: ForeignQuantization?
    let quantization: QuantizationConfig?
    do throws(LMToolError) {
      foreign = try ForeignQuantization(config: config)
      quantization = foreign == nil ? try QuantizationConfig(config: config) : nil
    } catch { throw error.within(file: configFile) }
    var stored = checkpoint.readers
    if let foreign {
      do throws(LMToolError) { stored = try foreign.join(stored, config: config) } catch { throw error.within(file: path) }
      config = ForeignQuantization.removed(from: config)
    }
    let tensors = try named(stored, spec: spec, quantization: quantization, path: path)
    return try assemble(
      path: path, format: quantization == nil && foreign == nil ? format : format + ", quantized", spec: spec, config: config,
      available: tensors, files: checkpoint.files)
  }

  /// A model with the texts that lie beside it.
  static func assemble(
    path: String, format: String, spec: ModelSpec, config: JSONValue, available: OrderedDictionary<String, any TensorReader>,
    files: [MappedFile]
  ) throws(LMToolError) -> ModelSource {
    let text = TextFiles(folder: isFolder(path) ? path : parent(of: path), vocabularySize: spec.vocabularySize)
    var source = try ModelSource(
      path: path, format: format, spec: spec, config: config, available: available, files: files + text.files)
    source.tokenizer = text.tokenizer
    source.tokenizerProblem = text.problem
    source.chatTemplate = text.chatTemplate
    source.generation = text.generation
    return source
  }

  /// The file's tensors under canonical names, codes with their scales and minimums joined to matrices.
  private static func named(
    _ stored: OrderedDictionary<String, any TensorReader>, spec: ModelSpec, quantization: QuantizationConfig?, path: String
  ) throws(LMToolError) -> OrderedDictionary<String, any TensorReader> {
    var tensors: OrderedDictionary<String, any TensorReader> = [:]
    for (name, tensor) in stored { tensors[canonical(name, known: stored)] = tensor }
    for (name, scheme) in quantization?.schemes ?? [:] {
      guard let needed = spec.tensors.first(where: { $0.name == name }) else { continue }
      let parts = (QuantizationConfig.codesName(name), QuantizationConfig.scalesName(name), QuantizationConfig.minimumsName(name))
      guard let codes = stored[parts.0] as? PlainTensor, let scales = stored[parts.1] as? PlainTensor else {
        throw LMToolError(.missingInput, "the codes or scales are not in the file", file: path, at: .tensor(name), rule: "Q-7")
      }
      let joined: StoredGridTensor
      do throws(LMToolError) {
        joined = try StoredGridTensor(
          name: name, shape: needed.shape, scheme: scheme, codes: codes, scales: scales, minimums: stored[parts.2] as? PlainTensor
        )
      } catch { throw error.within(file: path) }
      for part in [parts.0, parts.1, parts.2] { tensors[part] = nil }
      tensors[name] = joined
    }
    return tensors
  }

  /// The name with the "model." in front that checkpoints of a bare `LlamaModel` lack.
  private static func canonical(_ name: String, known: OrderedDictionary<String, any TensorReader>) -> String {
    let isBare = known["model.embed_tokens.weight"] == nil && known["embed_tokens.weight"] != nil
    return isBare && !name.hasPrefix("lm_head.") ? "model." + name : name
  }
}

extension PlainTensor: ByteSource {
  /// Bytes in all.
  public var count: Int { storedBytes }

  /// Copies stored bytes.
  public func read(_ range: Range<Int>, into output: UnsafeMutableRawBufferPointer) throws(LMToolError) {
    withBytes { output.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[range])) }
  }
}

/// Whether `path` is a folder.
func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// Whether anything is at `path`.
func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// The folder that a file is in.
func parent(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
