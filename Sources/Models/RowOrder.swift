import Tensors

/// A tensor whose rows are read in another order: the rotary pairs of queries and keys.
///
/// GGUF files of LLaMA and llama2.c hold the rows of each head interleaved, (0, half, 1, half + 1, ...); Hugging Face holds
/// the first halves, then the second. See `conversion/llama.py` of llama.cpp, `LlamaModel.permute`.
struct ReorderedTensor: TensorReader {
  let base: any TensorReader
  let name: String
  /// Row r is row `source(r)` of the base.
  let order: RowOrder

  var shape: [Int] { base.shape }
  var storage: Storage { base.storage }
  var storedBytes: Int { base.storedBytes }
  private var columns: Int { shape.count > 1 ? shape[1] : 1 }

  func discard() { base.discard() }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    var position = range.lowerBound
    while position < range.upperBound {
      let row = position / columns, column = position % columns
      let count = min(columns - column, range.upperBound - position)
      let start = order.source(row) * columns + column
      let target = position - range.lowerBound
      try base.read(start..<start + count, into: UnsafeMutableBufferPointer(rebasing: output[target..<target + count]))
      position += count
    }
  }
}

/// The two orders of the rows of a head with rotary embedding.
public enum RowOrder: Sendable, Equatable {
  /// Reads interleaved rows in half order.
  case halfFromInterleaved(headSize: Int)
  /// Reads rows in half order interleaved.
  case interleavedFromHalf(headSize: Int)

  /// The row of the source that becomes row `row`.
  public func source(_ row: Int) -> Int {
    switch self {
    case .halfFromInterleaved(let size):
      let head = row / size * size, place = row % size
      return place < size / 2 ? head + 2 * place : head + 2 * (place - size / 2) + 1
    case .interleavedFromHalf(let size):
      let head = row / size * size, place = row % size
      return head + place / 2 + (place % 2) * (size / 2)
    }
  }
}

/// A tensor under another name.
struct RenamedTensor: TensorReader {
  let base: any TensorReader
  let name: String

  var shape: [Int] { base.shape }
  var storage: Storage { base.storage }
  var storedBytes: Int { base.storedBytes }

  func discard() { base.discard() }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    try base.read(range, into: output)
  }
}
