import OrderedCollections
import Tensors

extension GGUFFile: Checkpoint {
  /// The tensors in the order of the file.
  public var readers: OrderedDictionary<String, any TensorReader> { tensors.mapValues { $0 } }
}

/// GGUF files, recognised by their magic.
struct GGUFFormat: CheckpointFormat {
  let kind = CheckpointKind.gguf

  func recognizes(_ file: MappedFile) -> Bool { file.begins(with: Array("GGUF".utf8)) }

  func open(_ path: String) throws(LMToolError) -> any Checkpoint { try GGUFFile(path: path) }
}
