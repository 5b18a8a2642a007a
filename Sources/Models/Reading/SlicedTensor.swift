import Tensors

/// A tensor whose rows lie in one or several stored tensors, as its slices say.
struct SlicedTensor: TensorReader {
  let name: String
  let shape: [Int]
  private let parts: [(slice: TensorSlice, base: any TensorReader)]

  /// - Precondition: `bases` are the stored tensors of the slices of `spec`, with the shapes that the slices name.
  init(_ spec: TensorSpec, slices: [TensorSlice], bases: [any TensorReader]) {
    name = spec.name
    shape = spec.shape
    parts = zip(slices, bases).map { ($0, $1) }
  }

  var storage: Storage { parts[0].base.storage }
  var storedBytes: Int {
    parts.reduce(0) { $0 + $1.base.storedBytes * ($1.slice.rows * columns) / max(1, $1.base.count) }
  }
  private var columns: Int { shape.dropFirst().reduce(1, *) }

  func discard() { for part in parts { part.base.discard() } }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    try forEachBlock(of: range, width: columns) { (block) throws(LMToolError) in
      let target = UnsafeMutableBufferPointer(rebasing: output[(block.start - range.lowerBound)...])
      var row = block.rows.lowerBound
      while row < block.rows.upperBound {
        let (part, own) = locate(row)
        let count = min(part.slice.together(from: own), block.rows.upperBound - row)
        let rows = UnsafeMutableBufferPointer(rebasing: target[((row - block.rows.lowerBound) * block.columns.count)...])
        try Self.read(part, rows: own, count, columns: block.columns, of: columns, into: rows)
        row += count
      }
    }
    for part in parts where part.slice.addend != 0 { for index in output.indices { output[index] -= part.slice.addend } }
  }

  /// The slice that has a row, and which of its rows it is.
  private func locate(_ row: Int) -> (part: (slice: TensorSlice, base: any TensorReader), row: Int) {
    var row = row
    for part in parts.dropLast() {
      if row < part.slice.rows { return (part, row) }
      row -= part.slice.rows
    }
    return (parts[parts.count - 1], row)
  }

  /// Some columns of `count` rows that are stored one after the other.
  private static func read(
    _ part: (slice: TensorSlice, base: any TensorReader), rows first: Int, _ count: Int, columns: Range<Int>, of width: Int,
    into output: UnsafeMutableBufferPointer<Float>
  ) throws(LMToolError) {
    let stored = part.slice.storedRow(first)
    guard part.slice.isTransposed else {
      // More than one row only of all columns, so that the elements are one run.
      let start = stored * width + columns.lowerBound, elements = count * columns.count
      return try part.base.read(start..<start + elements, into: UnsafeMutableBufferPointer(rebasing: output[..<elements]))
    }
    let total = part.slice.shape[1]
    let line = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer { line.deallocate() }
    for (index, column) in columns.enumerated() {
      try part.base.read(column * total + stored..<column * total + stored + count, into: line)
      for row in 0..<count { output[row * columns.count + index] = line[row] }
    }
  }
}

/// A stored tensor as it would be, made of the tensors whose slices name it: what export writes.
struct FusedTensor: TensorReader {
  let name: String
  let shape: [Int]
  private let parts: [(slice: TensorSlice, tensor: any TensorReader)]

  /// - Precondition: all slices name the same stored tensor.
  init(_ parts: [(slice: TensorSlice, tensor: any TensorReader)]) {
    self.parts = parts
    name = parts[0].slice.name
    shape = parts[0].slice.shape
  }

  var storage: Storage { parts[0].tensor.storage }
  var storedBytes: Int { parts.reduce(0) { $0 + $1.tensor.storedBytes } }
  private var isTransposed: Bool { parts[0].slice.isTransposed }
  /// Elements of a row of the parts.
  private var columns: Int { isTransposed ? shape[0] : parts[0].tensor.shape.dropFirst().reduce(1, *) }

  func discard() { for part in parts { part.tensor.discard() } }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    // Rows of the parts are rows here, or, transposed, columns.
    try forEachBlock(of: range, width: isTransposed ? shape[1] : columns) { (block) throws(LMToolError) in
      let target = UnsafeMutableBufferPointer(rebasing: output[(block.start - range.lowerBound)...])
      isTransposed ? try readTransposed(block, into: target) : try readRows(block, into: target)
    }
  }

  /// The part that holds a stored row, and which of its rows that is.
  private func locate(_ stored: Int) throws(LMToolError) -> (part: (slice: TensorSlice, tensor: any TensorReader), row: Int) {
    for part in parts {
      if let row = part.slice.row(stored: stored) { return (part, row) }
    }
    throw LMToolError(.bug, "no tensor has its row \(stored)", at: .tensor(name))
  }

  private func readRows(_ block: ElementBlock, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    var stored = block.rows.lowerBound
    while stored < block.rows.upperBound {
      let (part, row) = try locate(stored)
      let count = min(part.slice.together(from: row), block.rows.upperBound - stored)
      let start = row * columns + block.columns.lowerBound, elements = count * block.columns.count
      let first = (stored - block.rows.lowerBound) * block.columns.count
      let target = UnsafeMutableBufferPointer(rebasing: output[first..<first + elements])
      try part.tensor.read(start..<start + elements, into: target)
      if part.slice.addend != 0 { for index in target.indices { target[index] += part.slice.addend } }
      stored += count
    }
  }

  private func readTransposed(_ block: ElementBlock, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    let line = UnsafeMutableBufferPointer<Float>.allocate(capacity: block.rows.count)
    defer { line.deallocate() }
    for (index, stored) in block.columns.enumerated() {
      let (part, row) = try locate(stored)
      let start = row * columns + block.rows.lowerBound
      try part.tensor.read(start..<start + block.rows.count, into: line)
      for column in line.indices { output[column * block.columns.count + index] = line[column] }
    }
  }
}

/// Some columns of some rows of a matrix; several rows only with all their columns.
struct ElementBlock {
  let rows: Range<Int>
  let columns: Range<Int>
  /// The index of the first element.
  let start: Int
}

/// Divides elements of a matrix of rows of `width` elements into what is left of a first row, whole rows, and what begins a last row.
func forEachBlock(
  of range: Range<Int>, width: Int, _ body: (ElementBlock) throws(LMToolError) -> Void
) throws(LMToolError) {
  var position = range.lowerBound
  while position < range.upperBound {
    let row = position / width, column = position % width, left = range.upperBound - position
    if column == 0, left >= width {
      let count = left / width
      try body(ElementBlock(rows: row..<row + count, columns: 0..<width, start: position))
      position += count * width
    } else {
      let count = min(width - column, left)
      try body(ElementBlock(rows: row..<row + 1, columns: column..<column + count, start: position))
      position += count
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
