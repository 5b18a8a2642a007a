import Tensors

/// The tensors that a file under construction has promised in its header, and how many of their bytes have come.
struct DeclaredTensors {
  /// Names and sizes in bytes, in the order of the file.
  let tensors: [(name: String, size: Int)]
  /// The tensor that the next bytes belong to; `tensors.count` when all are there.
  private(set) var index = 0
  /// Bytes of that tensor that are there.
  private(set) var written = 0

  init(_ tensors: [(name: String, size: Int)]) {
    self.tensors = tensors
    skipComplete()
  }

  /// Takes note of `count` bytes.
  ///
  /// - Throws: `bug` when they are more than the current tensor lacks.
  mutating func add(_ count: Int) throws(LMToolError) {
    guard count > 0 else { return }
    guard index < tensors.count else { throw LMToolError(.bug, "\(count) bytes were written after the last tensor") }
    guard count <= tensors[index].size - written else {
      throw LMToolError(
        .bug, "\(count) bytes were written where \(tensors[index].size - written) were left to write",
        at: .tensor(tensors[index].name))
    }
    written += count
    skipComplete()
  }

  /// - Throws: `bug` when bytes are missing.
  func checkComplete() throws(LMToolError) {
    guard index == tensors.count else {
      throw LMToolError(
        .bug, "the file was finished \(tensors[index].size - written) bytes before the end of the tensor",
        at: .tensor(tensors[index].name))
    }
  }

  private mutating func skipComplete() {
    while index < tensors.count && written == tensors[index].size {
      index += 1
      written = 0
    }
  }
}
