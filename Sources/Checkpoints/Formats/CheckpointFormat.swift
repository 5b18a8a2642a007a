import OrderedCollections
import Tensors

/// What kind of model a path leads to.
public enum CheckpointKind: String, Sendable, CaseIterable {
  /// safetensors: a file, an index, or a folder with either.
  case safetensors
  /// GGUF.
  case gguf
  /// A llama2.c `.bin`.
  case llama2c
  /// Our own artifact, which the Artifacts room reads.
  case lmz
  /// PyTorch: a file, an index, or a folder with either.
  case pytorch
  /// Meta's or Mistral's: a folder with `params.json` and consolidated files.
  case meta
  /// NumPy: an `.npz` archive, or one array in an `.npy` file.
  case numpy
  /// A LLaMA of llama.cpp from before GGUF.
  case ggml
}

/// An open checkpoint: tensors by name, whatever the format. What else a format holds is in its own type.
public protocol Checkpoint: Sendable {
  /// The files that hold the tensors.
  var files: [MappedFile] { get }
  /// The tensors in the order of the files, named as there.
  var readers: OrderedDictionary<String, any TensorReader> { get }
}

/// A checkpoint format. A new one is one file with a type that conforms to this, and one line in `checkpointFormats`.
public protocol CheckpointFormat: Sendable {
  /// The kind that it reads.
  var kind: CheckpointKind { get }
  /// Whether a file is of this format, told from its content alone. A damaged file may be recognised; `open` says what is
  /// wrong with it.
  func recognizes(_ file: MappedFile) -> Bool
  /// Whether a folder holds a model of this format.
  func recognizes(folder: String) -> Bool
  /// Opens a path that was recognised.
  ///
  /// - Throws: `badInput` with the broken rule, or when models of this kind are not opened as checkpoints; `missingInput`.
  func open(_ path: String) throws(LMToolError) -> any Checkpoint
}

extension CheckpointFormat {
  /// Most formats are single files.
  public func recognizes(folder: String) -> Bool { false }
}

/// All formats, those with a magic number first.
public let checkpointFormats: [any CheckpointFormat] = [
  GGUFFormat(),
  LMZFormat(),
  PyTorchFormat(),
  NumPyFormat(),
  LegacyGGMLFormat(),
  SafetensorsFormat(),
  MetaFormat(),
  Llama2cFormat(),
]
