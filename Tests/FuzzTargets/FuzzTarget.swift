import Artifacts
import Checkpoints
import Compression
import Models
import OrderedCollections
import Tensors
import TestSupport
import Tokenizers

/// A parser that is fed bytes of any kind: it may refuse them with an `LMToolError`, and nothing else may happen.
public enum FuzzTarget: String, CaseIterable, Sendable {
  case safetensors
  case gguf
  case llama2c
  case pytorch
  /// The pickle in a sound archive.
  case pickle
  case numpy
  case ggml
  /// Two bytes with the length of a `config.json`, that, and the safetensors file beside it.
  case quantized
  case tokenizerJSON = "tokenizer-json"
  case sentencePiece = "sentencepiece"
  case tekken
  /// A rank file; "#" stands for the rest of GPT-2's number of ranks.
  case tiktoken
  /// A byte that says how characters are looked up, and a compiled character map.
  case characterMap = "character-map"
  /// A chat template, and after a zero byte what it is given as JSON.
  case template
  /// A byte that says of which base, two with the length of an `adapter_config.json`, that, and the safetensors file beside it.
  case adapter
  case lmz
  case certificate
  case calibration

  /// Feeds `data` to the parser, by way of the file `scratch`.
  public func run(_ data: [UInt8], scratch: FuzzFile) {
    do {
      switch self {
      case .safetensors: try read(try SafetensorsCheckpoint(path: try scratch.write(data)))
      case .gguf: try read(try GGUFFile(path: try scratch.write(data)))
      case .llama2c: try read(try Llama2cFile(path: try scratch.write(data)))
      case .pytorch: try read(try PyTorchCheckpoint(path: try scratch.write(data)))
      case .pickle: try read(try PyTorchCheckpoint(path: try scratch.write(FuzzArchive.file(pickle: data))))
      case .numpy: try read(try NumPyCheckpoint(path: try scratch.write(data)))
      case .ggml: try read(try LegacyGGMLFile(path: try scratch.write(data)))
      case .quantized: try quantized(data, scratch)
      case .tokenizerJSON: try FuzzText.use(try .read(tokenizerJSON: try scratch.write(data)))
      case .sentencePiece: try FuzzText.use(try .read(sentencePiece: try scratch.write(data)))
      case .tekken: try FuzzText.use(try .read(tekken: try scratch.write(data)))
      case .tiktoken: try FuzzText.use(try .read(tiktoken: try scratch.write(FuzzText.ranks(data))))
      case .characterMap: try FuzzText.map(data)
      case .template: try FuzzText.template(data)
      case .adapter: try adapter(data, scratch)
      case .lmz: try artifact(try Artifact(path: try scratch.write(data)))
      case .certificate: _ = try Certificate(encoded: data)
      case .calibration: _ = try Calibration(file: try scratch.write(data), for: try ModelSource.open(stories))
      }
    } catch {
      precondition(error is LMToolError, "an error of another kind: \(error)")
    }
  }

  private func read(_ checkpoint: any Checkpoint) throws { try read(checkpoint.readers.values.prefix(16)) }

  /// Reads the first and the last elements of tensors, so that a lie of the header is found.
  private func read(_ tensors: some Sequence<any TensorReader>) throws {
    var buffer = [Float](repeating: 0, count: 512)
    for tensor in tensors {
      let count = tensor.count
      for range in [0..<min(count, 512), max(0, count - 70)..<count] {
        try buffer.withUnsafeMutableBufferPointer {
          try tensor.read(range, into: UnsafeMutableBufferPointer(rebasing: $0[0..<range.count]))
        }
      }
    }
  }

  private func quantized(_ data: [UInt8], _ scratch: FuzzFile) throws {
    guard let (head, file) = Self.split(data) else { return }
    let config = try head.withUnsafeBytes { try decodeJSON(JSONValue.self, bytes: $0) }
    guard let quantization = try ForeignQuantization(config: config) else { return }
    let checkpoint = try SafetensorsCheckpoint(path: try scratch.write(file))
    try read(try quantization.join(checkpoint.readers, config: config).values.prefix(16))
  }

  /// What has its length in two bytes before it, and what follows it.
  private static func split(_ data: [UInt8]) -> (head: [UInt8], rest: [UInt8])? {
    guard data.count > 2 else { return nil }
    let length = min(Int(data[0]) + Int(data[1]) << 8, data.count - 2)
    return (Array(data[2..<2 + length]), Array(data[(2 + length)...]))
  }

  private func adapter(_ data: [UInt8], _ scratch: FuzzFile) throws {
    guard let first = data.first, let (config, tensors) = Self.split(Array(data.dropFirst())) else { return }
    let adapter = try LoRAAdapter(path: try scratch.write(adapter: config, tensors))
    let bases = FuzzSeeds.bases
    let merged = try ModelSource.open(Fixtures.path("families/\(bases[Int(first) % bases.count])")).merging(adapter)
    try read(merged.changes.prefix(16).map(\.after))
  }

  private func artifact(_ artifact: Artifact) throws {
    _ = artifact.verifyBytes()
    if let name = artifact.manifest.certificate { _ = try Certificate(encoded: try artifact.blob(name)) }
    try read(artifact.tensors.prefix(16))
  }
}
