import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Says what kind of model is at `path`, from the content of the file or the files of the folder.
///
/// - Throws: `missingInput` when nothing is there; `badInput` that says what was found when it is no model.
public func recognize(path: String) throws(LMToolError) -> CheckpointKind {
  try format(of: path).kind
}

/// Opens the checkpoint at `path`, of any format that is read.
///
/// - Throws: as `recognize(path:)` and as the format's `open`.
public func openCheckpoint(path: String) throws(LMToolError) -> any Checkpoint {
  try format(of: path).open(path)
}

private func format(of path: String) throws(LMToolError) -> any CheckpointFormat {
  if isFolder(path) {
    guard access(path, R_OK | X_OK) == 0 else {
      throw LMToolError(.inputOutput, "permission denied; make the folder readable (chmod +rx) and try again", file: path)
    }
    if let format = checkpointFormats.first(where: { $0.recognizes(folder: path) }) { return format }
    throw LMToolError(
      .missingInput,
      "the folder has no \(SafetensorsCheckpoint.fileName), no \(PyTorchCheckpoint.fileName), no index of either, and no "
        + "\(MetaCheckpoint.settingsName) with consolidated files; name a model directory or a model file",
      file: path)
  }
  let file = try MappedFile(path: path)
  if let format = checkpointFormats.first(where: { $0.recognizes(file) }) { return format }
  throw LMToolError(.badInput, ForeignContent(file).sentence, file: path)
}
