import Tensors

/// Our own artifact, recognised by its magic; the Artifacts room opens it.
struct LMZFormat: CheckpointFormat {
  /// 0x89 "LMZ" CR LF 0x1A LF: no text, and damaged by any transfer that takes it for text.
  private static let magic: [UInt8] = [0x89, 0x4C, 0x4D, 0x5A, 0x0D, 0x0A, 0x1A, 0x0A]

  let kind = CheckpointKind.lmz

  func recognizes(_ file: MappedFile) -> Bool { file.begins(with: Self.magic) }

  func open(_ path: String) throws(LMToolError) -> any Checkpoint {
    throw LMToolError(.badInput, "this is a packed .lmz artifact, not a checkpoint; name the model it was made from", file: path)
  }
}
