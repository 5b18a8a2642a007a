import Tensors

/// NumPy's files: single arrays by their magic, archives by the names of their members.
struct NumPyFormat: CheckpointFormat {
  let kind = CheckpointKind.numpy

  func recognizes(_ file: MappedFile) -> Bool {
    if file.begins(with: NumPyHeader.magic) { return true }
    guard file.begins(with: ZipArchive.magic) else { return false }
    if let zip = try? ZipArchive(file) { return NumPyCheckpoint.recognizes(zip) }
    return ZipArchive.firstName(file)?.hasSuffix(".npy") == true
  }

  /// A folder with weights of another kind is read from these.
  func recognizes(folder: String) -> Bool {
    isFile(folder + "/" + NumPyCheckpoint.fileName) && !SafetensorsFormat().recognizes(folder: folder)
  }

  func open(_ path: String) throws(LMToolError) -> any Checkpoint { try NumPyCheckpoint(path: path) }
}
