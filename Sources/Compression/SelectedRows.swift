import Quantization
import Tensors

/// Some rows of a tensor, as a tensor: a matrix of fewer outputs, or a vector of fewer elements.
struct SelectedRows: TensorReader {
  let base: any TensorReader
  /// Row r is row `rows[r]` of the base; ascending.
  let rows: [Int32]

  /// Rows of the base that are read at once, those between the selected ones included.
  private static let span = 512

  var name: String { base.name }
  var shape: [Int] { [rows.count] + base.shape.dropFirst() }
  var storage: Storage { base.storage }
  var storedBytes: Int { base.shape[0] == 0 ? 0 : base.storedBytes / base.shape[0] * rows.count }
  private var columns: Int { base.shape.dropFirst().reduce(1, *) }

  func discard() { base.discard() }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    var position = range.lowerBound
    while position < range.upperBound {
      let end = min(range.upperBound, endOfSpan(from: position / columns) * columns)
      let target = position - range.lowerBound
      try readSpan(position..<end, into: UnsafeMutableBufferPointer(rebasing: output[target..<target + end - position]))
      position = end
    }
  }

  /// The row after the last one that is read together with `row`.
  private func endOfSpan(from row: Int) -> Int {
    var end = row + 1
    while end < rows.count, rows[end] - rows[row] < Self.span { end += 1 }
    return end
  }

  /// Reads all rows of the base from the first to the last one that is wanted, and copies those.
  private func readSpan(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    let first = Int(rows[range.lowerBound / columns]), last = Int(rows[(range.upperBound - 1) / columns])
    let start = first * columns + range.lowerBound % columns
    let end = last * columns + (range.upperBound - 1) % columns + 1
    let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: end - start)
    defer { floats.deallocate() }
    try base.read(start..<end, into: floats)
    var position = range.lowerBound
    while position < range.upperBound {
      let row = position / columns, column = position % columns
      let count = min(columns - column, range.upperBound - position)
      let source = Int(rows[row]) * columns + column - start
      for index in 0..<count { output[position - range.lowerBound + index] = floats[source + index] }
      position += count
    }
  }
}

/// Some rows of a quantized matrix: codes, scales and minimums pass through without loss.
struct SelectedGridRows: GridTensorReader {
  let base: any GridTensorReader
  /// Row r is row `rows[r]` of the base; ascending.
  let rows: [Int32]

  private var plain: SelectedRows { SelectedRows(base: base, rows: rows) }
  var name: String { base.name }
  var scheme: GridScheme { base.scheme }
  var shape: [Int] { plain.shape }
  var storage: Storage { base.storage }
  var storedBytes: Int { plain.storedBytes }

  func discard() { base.discard() }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    try plain.read(range, into: output)
  }

  func readGrid() throws(LMToolError) -> GridTensor {
    let grid = try base.readGrid(), layout = grid.layout
    func select<Element>(_ elements: [Element], _ width: Int) -> [Element] {
      elements.isEmpty ? [] : rows.flatMap { elements[Int($0) * width..<(Int($0) + 1) * width] }
    }
    return try GridTensor(
      shape: shape, scheme: grid.scheme, codes: select(grid.codes, layout.bytesPerRow),
      scales: select(grid.scales, layout.groupsPerRow), minimums: select(grid.minimums, layout.groupsPerRow))
  }
}
