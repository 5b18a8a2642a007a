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
    let config = try decodeJSON(JSONValue.self, file: try MappedFile(path: configFile))
    let foreign: ForeignQuantization?
    let quantization: QuantizationConfig?
    do throws(LMToolError) {
      foreign = try ForeignQuantization(config: config)
      quantization = foreign == nil ? try QuantizationConfig(config: config) : nil
    } catch { throw error.within(file: configFile) }
    var source: ModelSource
    if let quantization {
      source = try open(
        checkpoint, Configuration(config, file: configFile), quantization, path: path, format: format + ", quantized")
    } else if let foreign {
      let joined: OrderedDictionary<String, any TensorReader>
      do throws(LMToolError) {
        joined = try foreign.join(checkpoint.readers, config: config)
      } catch { throw error.within(file: path) }
      source = try ModelSource(
        path: path, format: format + ", quantized",
        configuration: Configuration(ForeignQuantization.removed(from: config), file: configFile), stored: joined,
        files: checkpoint.files)
    } else {
      source = try ModelSource(
        path: path, format: format, configuration: Configuration(config, file: configFile), stored: checkpoint.readers,
        files: checkpoint.files)
    }
    source.addTexts(beside: path)
    return source
  }

  /// Adds tokenizer, chat template and settings that lie beside the weights.
  mutating func addTexts(beside path: String) {
    let text = TextFiles(folder: isFolder(path) ? path : parent(of: path), vocabularySize: spec.vocabularySize)
    files += text.files
    tokenizer = text.tokenizer
    tokenizerProblem = text.problem
    chatTemplate = text.chatTemplate
    generation = text.generation
  }

  /// A directory that lmtool quantized: tensors under their own names, codes with their scales and minimums joined to matrices.
  private static func open(
    _ checkpoint: any Checkpoint, _ configuration: Configuration, _ quantization: QuantizationConfig, path: String, format: String
  ) throws(LMToolError) -> ModelSource {
    let stored = checkpoint.readers, spec = try Architectures.spec(of: configuration)
    var tensors = stored
    for (name, scheme) in quantization.schemes {
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
    let used = Set(spec.tensors.map(\.name))
    return try ModelSource(
      path: path, format: format, spec: spec, config: configuration.json, available: tensors,
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

/// Whether anything is at `path`.
func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// The folder that a file is in.
func parent(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
