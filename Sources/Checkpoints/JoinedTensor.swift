import Tensors

/// A matrix or vector whose parts are in several files, side by side along one dimension.
struct JoinedTensor: TensorReader {
  let name: String
  let shape: [Int]
  /// Parts of equal shape, in order.
  let parts: [any TensorReader]
  /// The dimension along which they lie: 0 for rows below rows, 1 for columns beside columns.
  let axis: Int

  /// Joins parts.
  ///
  /// - Precondition: there is one part at least, all have the same shape, and it has the dimension `axis`, 0 or 1.
  init(name: String, parts: [any TensorReader], axis: Int) {
    var shape = parts[0].shape
    shape[axis] *= parts.count
    self.name = name
    self.shape = shape
    self.parts = parts
    self.axis = axis
  }

  var storage: Storage { parts[0].storage }
  var storedBytes: Int { parts.reduce(0) { $0 + $1.storedBytes } }

  func discard() { for part in parts { part.discard() } }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    // A part has a stretch of `run` elements of every row of `run * parts.count`; rows joined to rows are one such row.
    let run = shape.dropFirst(axis).reduce(1, *) / parts.count
    var position = range.lowerBound
    while position < range.upperBound {
      let (stretch, place) = position.quotientAndRemainder(dividingBy: run)
      let (row, part) = stretch.quotientAndRemainder(dividingBy: parts.count)
      let count = min(run - place, range.upperBound - position), target = position - range.lowerBound
      let start = row * run + place
      try parts[part].read(start..<start + count, into: UnsafeMutableBufferPointer(rebasing: output[target..<target + count]))
      position += count
    }
  }
}
