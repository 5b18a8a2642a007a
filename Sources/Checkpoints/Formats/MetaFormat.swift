import Tensors

/// Meta's and Mistral's checkpoints: folders, told by the names in them.
struct MetaFormat: CheckpointFormat {
  let kind = CheckpointKind.meta

  /// Its files are PyTorch or safetensors files; what makes them a model is the folder.
  func recognizes(_ file: MappedFile) -> Bool { false }

  func recognizes(folder: String) -> Bool { MetaCheckpoint.isIn(folder) }

  func open(_ path: String) throws(LMToolError) -> any Checkpoint { try MetaCheckpoint(path: path) }
}
