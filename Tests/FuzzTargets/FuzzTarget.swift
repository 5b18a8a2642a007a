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
  case lmz
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
      case .tokenizerJSON: try use(try .read(tokenizerJSON: try scratch.write(data)))
      case .sentencePiece: try use(try .read(sentencePiece: try scratch.write(data)))
      case .lmz: try artifact(try Artifact(path: try scratch.write(data)))
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
    guard data.count > 2 else { return }
    let length = min(Int(data[0]) + Int(data[1]) << 8, data.count - 2)
    let config = try data[2..<2 + length].withUnsafeBytes { try decodeJSON(JSONValue.self, bytes: $0) }
    guard let quantization = try ForeignQuantization(config: config) else { return }
    let checkpoint = try SafetensorsCheckpoint(path: try scratch.write(Array(data[(2 + length)...])))
    try read(try quantization.join(checkpoint.readers, config: config).values.prefix(16))
  }

  private func use(_ definition: TokenizerDefinition) throws {
    let tokenizer = try Tokenizer(definition)
    _ = tokenizer.decode(tokenizer.encode("Once upon a time, Zoë's 2 cats <s> </s> said:\n\t\"   héllo\" 😀 \u{0} <|endoftext|>"))
  }

  private func artifact(_ artifact: Artifact) throws {
    _ = artifact.verifyBytes()
    try read(artifact.tensors.prefix(16))
  }
}
