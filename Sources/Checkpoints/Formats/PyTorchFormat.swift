import Tensors

/// PyTorch's pickles: recognised, so that the error can say what they are; never executed.
struct PyTorchFormat: CheckpointFormat {
  let kind = CheckpointKind.pytorch

  func recognizes(_ file: MappedFile) -> Bool { isArchive(file) || isLegacyPickle(file) }

  func recognizes(folder: String) -> Bool {
    ["pytorch_model.bin", "pytorch_model.bin.index.json"].contains { isFile(folder + "/" + $0) }
  }

  func open(_ path: String) throws(LMToolError) -> any Checkpoint {
    throw LMToolError(
      .badInput, "this is a PyTorch pickle; reading it comes with a later version, use the safetensors form of the model",
      file: path)
  }

  /// A ZIP archive whose first entry is the pickle, `NAME/data.pkl`, as `torch.save` writes it.
  private func isArchive(_ file: MappedFile) -> Bool {
    let header = 30
    guard file.begins(with: [0x50, 0x4B, 3, 4]), file.count >= header else { return false }
    let length = file.withBytes(26..<28) { Int(UInt16(littleEndian: $0.loadUnaligned(as: UInt16.self))) }
    guard length <= file.count - header else { return false }
    return file.withBytes(header..<(header + length)) { $0.suffix(9).elementsEqual("/data.pkl".utf8) }
  }

  /// The pickled magic number that `torch.save` wrote before version 1.6.
  private func isLegacyPickle(_ file: MappedFile) -> Bool {
    file.begins(with: [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19])
  }
}
