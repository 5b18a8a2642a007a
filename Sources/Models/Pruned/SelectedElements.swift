import Tensors

/// Some rows and columns of a tensor, or rows and columns of zeros between those that it has, as a tensor of another name.
struct SelectedElements: TensorReader {
  let base: any TensorReader
  let name: String
  /// Row r is row `rows[r]` of the base, or zeros where that is negative; nil for all.
  let rows: [Int]?
  /// The same of columns.
  let columns: [Int]?

  var shape: [Int] {
    var shape = base.shape
    if let rows { shape[0] = rows.count }
    if let columns { shape[shape.count - 1] = columns.count }
    return shape
  }
  var storage: Storage { base.storage }
  var storedBytes: Int { base.count == 0 ? 0 : Int(Double(base.storedBytes) * Double(count) / Double(base.count)) }

  func discard() { base.discard() }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    let isMatrix = base.shape.count > 1
    let width = isMatrix ? base.shape[1] : 1, left = isMatrix ? columns?.count ?? width : 1
    let line = UnsafeMutableBufferPointer<Float>.allocate(capacity: max(1, width))
    defer { line.deallocate() }
    try forEachBlock(of: range, width: left) { (block) throws(LMToolError) in
      var target = block.start - range.lowerBound
      for row in block.rows {
        let source = rows?[row] ?? row
        let part = UnsafeMutableBufferPointer(rebasing: output[target..<target + block.columns.count])
        if source < 0 {
          part.update(repeating: 0)
        } else if let columns {
          try base.read(source * width..<(source + 1) * width, into: UnsafeMutableBufferPointer(rebasing: line[..<width]))
          for (index, column) in block.columns.enumerated() { part[index] = columns[column] < 0 ? 0 : line[columns[column]] }
        } else {
          let start = source * width + block.columns.lowerBound
          try base.read(start..<start + block.columns.count, into: part)
        }
        target += block.columns.count
      }
    }
  }
}
