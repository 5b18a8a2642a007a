import Checkpoints
import Models
import OrderedCollections
import Tensors
import Tokenizers

extension ModelSource {
  /// Opens a model of any kind: a model directory, safetensors, PyTorch, Meta's files, GGUF, GGML, NumPy, llama2.c, or an `.lmz`
  /// artifact.
  ///
  /// - Parameter tokenizer: a tokenizer file or a folder with one, to be used instead of the model's own.
  public static func open(_ path: String, tokenizer: String? = nil) throws(LMToolError) -> ModelSource {
    var source: ModelSource
    switch try recognize(path: path) {
    case .safetensors: source = try open(safetensors: path)
    case .gguf: source = try open(gguf: path)
    case .llama2c: source = try open(llama2c: path)
    case .lmz: source = try open(artifact: try Artifact(path: path), path: path)
    case .pytorch: source = try open(pytorch: path)
    case .meta: source = try open(meta: path)
    case .numpy: source = try open(numpy: path)
    case .ggml: source = try open(ggml: path)
    }
    if let tokenizer {
      source.tokenizer = try TokenizerDefinition.read(anything: tokenizer, vocabularySize: source.spec.vocabularySize)
      source.tokenizerProblem = nil
    }
    return source
  }

  /// A model whose tensors are those of an artifact.
  public static func open(artifact: Artifact, path: String) throws(LMToolError) -> ModelSource {
    let manifest = artifact.manifest
    let spec = try Architectures.spec(of: Configuration(manifest.config, file: path))
    var tensors: OrderedDictionary<String, any TensorReader> = [:]
    for tensor in artifact.tensors { tensors[tensor.name] = tensor }
    let used = Set(spec.tensors.map(\.name))
    var source = try ModelSource(
      path: path, format: "lmz v1", spec: spec, config: manifest.config, available: tensors,
      unused: tensors.keys.filter { !used.contains($0) }, files: [try MappedFile(path: path)])
    source.generation = manifest.generation
    do throws(LMToolError) {
      if let name = manifest.tokenizer { source.tokenizer = try TokenizerDefinition(serialized: try artifact.blob(name)) }
      if let name = manifest.chatTemplate { source.chatTemplate = String(decoding: try artifact.blob(name), as: UTF8.self) }
    } catch { source.tokenizerProblem = error.within(file: path) }
    return source
  }
}
