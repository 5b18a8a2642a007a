import Tensors

/// A matrix that is computed row by row, some rows at a time.
protocol MatrixRows: TensorReader {
  /// The file that is to blame, and whose pages the parts are.
  var parts: [PlainTensor] { get }
  /// Computes whole rows; `output` has room for them.
  func decode(rows: Range<Int>, to output: UnsafeMutablePointer<Float>) throws(LMToolError)
}

extension MatrixRows {
  /// Rows that are computed at a time.
  private var block: Int { 32 }

  var storedBytes: Int { parts.reduce(0) { $0 + $1.storedBytes } }

  func discard() { for part in parts { part.discard() } }

  /// Computes whole rows in place, and those at the ends by way of a row of their own.
  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements outside the tensor")
    precondition(output.count == range.count, "the output holds exactly the elements that are read")
    let columns = shape[1]
    var position = range.lowerBound
    while position < range.upperBound, let base = output.baseAddress {
      let (row, skipped) = position.quotientAndRemainder(dividingBy: columns)
      let left = range.upperBound - position, target = base + (position - range.lowerBound)
      if skipped == 0 && left >= columns {
        let rows = min(left / columns, block)
        try decode(rows: row..<row + rows, to: target)
        position += rows * columns
      } else {
        let taken = min(columns - skipped, left)
        let whole = UnsafeMutableBufferPointer<Float>.allocate(capacity: columns)
        defer { whole.deallocate() }
        guard let start = whole.baseAddress else { return }
        try decode(rows: row..<row + 1, to: start)
        target.update(from: start + skipped, count: taken)
        position += taken
      }
    }
  }
}

extension PlainTensor {
  /// Elements as floats.
  func floats(_ range: Range<Int>) throws(LMToolError) -> [Float] {
    var failure: LMToolError?
    let floats = [Float](unsafeUninitializedCapacity: range.count) { buffer, count in
      let output = UnsafeMutableBufferPointer(rebasing: buffer[0..<range.count])
      do throws(LMToolError) { try read(range, into: output) } catch { failure = error }
      count = range.count
    }
    if let failure { throw failure }
    return floats
  }
}

extension UnsafeRawBufferPointer {
  /// Word `index` of little-endian words of 32 bits.
  @inline(__always)
  func word(_ index: Int) -> UInt32 { UInt32(littleEndian: loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)) }
}
