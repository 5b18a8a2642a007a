import Kernels
import Synchronization
import Tensors

/// W + s B A, computed when it is read (LORA-8). The factors are read as far as they are needed, so that memory grows with neither.
struct LowRankTensor: TensorReader {
  /// W [rows, columns].
  let base: any TensorReader
  /// Where the rows lie among those of the module.
  let slice: TensorSlice
  let update: LowRankUpdate
  /// What rows are scaled with.
  let lengths: RowLengths?

  var name: String { base.name }
  var shape: [Int] { base.shape }
  var storage: Storage { base.storage }
  var storedBytes: Int { base.storedBytes }
  private var columns: Int { shape[1] }

  func discard() {
    base.discard()
    update.discard()
  }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    try add(range, into: output)
    guard let lengths else { return }
    let scales = try lengths.scales(of: self)
    for (index, element) in range.enumerated() { output[index] *= scales[element / columns] }
  }

  /// W + s B A.
  fileprivate func add(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    try base.read(range, into: output)
    try forEachBlock(of: range, width: columns) { (block) throws(LMToolError) in
      let rows = max(1, LowRankUpdate.elements / block.columns.count)
      for first in stride(from: block.rows.lowerBound, to: block.rows.upperBound, by: rows) {
        let part = first..<min(first + rows, block.rows.upperBound)
        let start = block.start - range.lowerBound + (first - block.rows.lowerBound) * block.columns.count
        let target = UnsafeMutableBufferPointer(rebasing: output[start..<start + part.count * block.columns.count])
        try update.add(rows: part, columns: block.columns, slice: slice, to: target)
      }
    }
  }
}

/// s B A of a module.
struct LowRankUpdate: Sendable {
  /// A [rank, inputs]; of an embedding B [width, rank].
  let right: any TensorReader
  /// B [outputs, rank]; of an embedding A [rank, tokens].
  let left: any TensorReader
  let rank: Int
  let scale: Float
  /// Whether both are stored transposed, as those of embeddings are.
  let isTransposed: Bool

  /// The most elements that are computed at a time.
  static let elements = 1 << 20

  func discard() {
    right.discard()
    left.discard()
  }

  /// Adds to a block of the matrix; `rows` are those of the slice.
  func add(
    rows: Range<Int>, columns: Range<Int>, slice: TensorSlice, to output: UnsafeMutableBufferPointer<Float>
  ) throws(LMToolError) {
    let left = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows.count * rank)
    let right = UnsafeMutableBufferPointer<Float>.allocate(capacity: columns.count * rank)
    let product = UnsafeMutablePointer<Float>.allocate(capacity: output.count)
    defer {
      left.deallocate()
      right.deallocate()
      product.deallocate()
    }
    try readLeft(rows, slice, into: left)
    try readRight(columns, into: right)
    guard let first = left.baseAddress, let second = right.baseAddress else { return }
    MatrixProduct(rows: rows.count, columns: columns.count, depth: rank)(
      MatrixProduct.Operand(first, stride: isTransposed ? rows.count : rank, transposed: isTransposed),
      MatrixProduct.Operand(second, stride: isTransposed ? rank : columns.count, transposed: isTransposed),
      into: product, stride: columns.count)
    for index in output.indices { output[index] += scale * product[index] }
  }

  /// [rows, rank], transposed [rank, rows].
  private func readLeft(
    _ rows: Range<Int>, _ slice: TensorSlice, into output: UnsafeMutableBufferPointer<Float>
  ) throws(LMToolError) {
    var row = rows.lowerBound
    while row < rows.upperBound {
      let count = min(slice.together(from: row), rows.upperBound - row), stored = slice.storedRow(row)
      let place = row - rows.lowerBound
      if isTransposed {
        let width = left.shape[1]
        for line in 0..<rank {
          let target = UnsafeMutableBufferPointer(rebasing: output[line * rows.count + place..<line * rows.count + place + count])
          try left.read(line * width + stored..<line * width + stored + count, into: target)
        }
      } else {
        let target = UnsafeMutableBufferPointer(rebasing: output[place * rank..<(place + count) * rank])
        try left.read(stored * rank..<(stored + count) * rank, into: target)
      }
      row += count
    }
  }

  /// [rank, columns], transposed [columns, rank].
  private func readRight(_ columns: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    if isTransposed { return try right.read(columns.lowerBound * rank..<columns.upperBound * rank, into: output) }
    let width = right.shape[1]
    for line in 0..<rank {
      let target = UnsafeMutableBufferPointer(rebasing: output[line * columns.count..<(line + 1) * columns.count])
      try right.read(line * width + columns.lowerBound..<line * width + columns.upperBound, into: target)
    }
  }
}

/// What scales the rows of W + s B A to their magnitudes (DoRA): computed once, when the first row is read.
final class RowLengths: Sendable {
  private let magnitudes: any TensorReader
  private let known = Mutex<[Float]?>(nil)

  init(magnitudes: any TensorReader) { self.magnitudes = magnitudes }

  /// Magnitude / length of every row.
  func scales(of tensor: LowRankTensor) throws(LMToolError) -> [Float] {
    if let scales = known.withLock({ $0 }) { return scales }
    let rows = tensor.shape[0], columns = tensor.shape[1], stored = try magnitudes.readAll()
    let together = max(1, LowRankUpdate.elements / max(1, columns))
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(rows, together) * columns)
    defer { buffer.deallocate() }
    var scales: [Float] = []
    for first in stride(from: 0, to: rows, by: together) {
      let count = min(together, rows - first)
      let part = UnsafeMutableBufferPointer(rebasing: buffer[..<(count * columns)])
      try tensor.add(first * columns..<(first + count) * columns, into: part)
      for row in 0..<count {
        var sum = 0.0
        for value in part[row * columns..<(row + 1) * columns] { sum += Double(value) * Double(value) }
        scales.append(stored[tensor.slice.storedRow(first + row)] / Float(sum.squareRoot()))
      }
    }
    known.withLock { $0 = scales }
    return scales
  }
}
