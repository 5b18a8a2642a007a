import Tensors

/// The files of llama.cpp from before GGUF, recognised by their magics.
struct LegacyGGMLFormat: CheckpointFormat {
  let kind = CheckpointKind.ggml

  func recognizes(_ file: MappedFile) -> Bool { LegacyGGMLHeader.recognizes(file) }

  func open(_ path: String) throws(LMToolError) -> any Checkpoint { try LegacyGGMLFile(path: path) }
}
