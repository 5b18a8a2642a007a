import Tensors

/// A way to turn float matrices into codes on a grid. An extension point: one file and one line of `compress`.
public protocol QuantizationScheme: Sendable {
  /// The name on the command line.
  var name: String { get }
  /// The grid of the result.
  var grid: GridScheme { get }

  /// Quantizes some rows of a matrix.
  ///
  /// - Parameters:
  ///   - weights: rows.count * columns floats, row by row.
  ///   - rows: which rows of the matrix these are, for errors.
  /// - Returns: a matrix [rows.count, columns].
  /// - Throws: `badInput` by rule Q-12, with row and column in its message.
  func quantize(
    _ weights: UnsafeBufferPointer<Float>, rows: Range<Int>, columns: Int
  ) throws(LMToolError) -> GridTensor
}

/// Weights that are held as floats at a time.
private let pieceOfQuantization = 4 << 20

extension QuantizationScheme {
  /// Quantizes a whole matrix, of which only a few million weights are held as floats at a time.
  ///
  /// - Throws: `badInput` when the tensor is not a matrix or its weights cannot be quantized.
  public func quantize(_ tensor: any TensorReader) throws(LMToolError) -> GridTensor {
    do throws(LMToolError) {
      return try quantizePieces(of: tensor)
    } catch { throw error.naming(tensor.name) }
  }

  private func quantizePieces(of tensor: any TensorReader) throws(LMToolError) -> GridTensor {
    let layout = try GridLayout(shape: tensor.shape, scheme: grid)
    let step = max(1, pieceOfQuantization / layout.columns)
    var codes: [UInt8] = []
    var scales: [UInt16] = []
    var minimums: [UInt16] = []
    codes.reserveCapacity(layout.codeBytes)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(step, layout.rows) * layout.columns)
    defer { buffer.deallocate() }
    for first in stride(from: 0, to: layout.rows, by: step) {
      let rows = first..<min(first + step, layout.rows)
      let weights = UnsafeMutableBufferPointer(rebasing: buffer[0..<(rows.count * layout.columns)])
      try tensor.read((first * layout.columns)..<(rows.upperBound * layout.columns), into: weights)
      let piece = try quantize(UnsafeBufferPointer(weights), rows: rows, columns: layout.columns)
      codes += piece.codes
      scales += piece.scales
      minimums += piece.minimums
    }
    return try GridTensor(shape: tensor.shape, scheme: grid, codes: codes, scales: scales, minimums: minimums)
  }
}
