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
    let checkpoint = try SafetensorsCheckpoint(path: path)
    let folder = isFolder(path) ? path : parent(of: path)
    let configFile = folder + "/config.json"
    guard access(configFile, F_OK) == 0 else {
      throw LMToolError(.missingInput, "there is no config.json beside the weights; it says what the model is", file: configFile)
    }
    let config = try decodeJSON(JSONValue.self, file: try MappedFile(path: configFile))
    let configuration = Configuration(config, file: configFile)
    let quantization: QuantizationConfig?
    do throws(LMToolError) {
      quantization = try QuantizationConfig(config: config)
    } catch { throw error.within(file: configFile) }
    var source: ModelSource
    if let quantization {
      source = try open(checkpoint, configuration, quantization, path: path)
    } else {
      var stored: OrderedDictionary<String, any TensorReader> = [:]
      for (name, tensor) in checkpoint.tensors { stored[name] = tensor }
      source = try ModelSource(
        path: path, format: "safetensors", configuration: configuration, stored: stored, files: checkpoint.files)
    }
    let text = TextFiles(folder: folder, vocabularySize: source.spec.vocabularySize)
    source.files += text.files
    source.tokenizer = text.tokenizer
    source.tokenizerProblem = text.problem
    source.chatTemplate = text.chatTemplate
    source.generation = text.generation
    return source
  }

  /// A directory that lmtool quantized: tensors under their own names, codes with their scales and minimums joined to matrices.
  private static func open(
    _ checkpoint: SafetensorsCheckpoint, _ configuration: Configuration, _ quantization: QuantizationConfig, path: String
  ) throws(LMToolError) -> ModelSource {
    let stored = checkpoint.tensors, spec = try Architectures.spec(of: configuration)
    var tensors: OrderedDictionary<String, any TensorReader> = [:]
    for (name, tensor) in stored { tensors[name] = tensor }
    for (name, scheme) in quantization.schemes {
      guard let needed = spec.tensors.first(where: { $0.name == name }) else { continue }
      let parts = (QuantizationConfig.codesName(name), QuantizationConfig.scalesName(name), QuantizationConfig.minimumsName(name))
      guard let codes = stored[parts.0], let scales = stored[parts.1] else {
        throw LMToolError(.missingInput, "the codes or scales are not in the file", file: path, at: .tensor(name), rule: "Q-7")
      }
      let joined: StoredGridTensor
      do throws(LMToolError) {
        joined = try StoredGridTensor(
          name: name, shape: needed.shape, scheme: scheme, codes: codes, scales: scales, minimums: stored[parts.2])
      } catch { throw error.within(file: path) }
      for part in [parts.0, parts.1, parts.2] { tensors[part] = nil }
      tensors[name] = joined
    }
    let used = Set(spec.tensors.map(\.name))
    return try ModelSource(
      path: path, format: "safetensors, quantized", spec: spec, config: configuration.json, available: tensors,
      unused: tensors.keys.filter { !used.contains($0) }, files: checkpoint.files)
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

/// The folder that a file is in.
func parent(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
