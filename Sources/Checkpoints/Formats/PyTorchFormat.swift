import Tensors

/// PyTorch files: archives with a pickle, pickles of the form before these, and indexes whose shards are named like them.
struct PyTorchFormat: CheckpointFormat {
  let kind = CheckpointKind.pytorch

  func recognizes(_ file: MappedFile) -> Bool { isArchive(file) || isLegacyPickle(file) || isIndex(file) }

  /// A folder that has safetensors too is read from these.
  func recognizes(folder: String) -> Bool {
    !SafetensorsFormat().recognizes(folder: folder)
      && [PyTorchCheckpoint.fileName, PyTorchCheckpoint.indexName].contains { isFile(folder + "/" + $0) }
  }

  func open(_ path: String) throws(LMToolError) -> any Checkpoint { try PyTorchCheckpoint(path: path) }

  /// An archive with a pickle; a damaged one if its first member is the pickle, `NAME/data.pkl`, as `torch.save` writes it.
  private func isArchive(_ file: MappedFile) -> Bool {
    guard file.begins(with: ZipArchive.magic) else { return false }
    if let zip = try? ZipArchive(file) { return TorchArchive.recognizes(zip) }
    return ZipArchive.firstName(file)?.hasSuffix("/data.pkl") == true
  }

  /// The pickled magic number that `torch.save` wrote before version 1.6.
  private func isLegacyPickle(_ file: MappedFile) -> Bool {
    file.begins(with: [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19])
  }

  private func isIndex(_ file: MappedFile) -> Bool {
    guard ShardIndex.recognizes(file), let index = try? ShardIndex(file: file) else { return false }
    return index.weightMap.values.contains { name in [".bin", ".pt", ".pth"].contains { name.hasSuffix($0) } }
  }
}
