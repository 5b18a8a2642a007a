import Kernels
import Tensors

/// A quantized matrix [rows, columns] in memory, in the byte form of `formats/quantized.md`.
public struct GridTensor: Sendable, Equatable {
  /// The sizes.
  public let layout: GridLayout
  /// Codes, row by row, `layout.bytesPerRow` bytes each; two 4-bit codes to the byte, the even column in the low nibble.
  public let codes: [UInt8]
  /// f16 bits, [rows, groups].
  public let scales: [UInt16]
  /// f16 bits, [rows, groups]; empty for a scheme without minimum.
  public let minimums: [UInt16]

  /// [rows, columns].
  public var shape: [Int] { [layout.rows, layout.columns] }
  /// The scheme.
  public var scheme: GridScheme { layout.scheme }

  /// Takes codes, scales and minimums.
  ///
  /// - Throws: `badInput` when a size does not fit the shape, a scale or minimum is not finite, or a row
  ///   ends in a nibble that is not zero.
  public init(
    shape: [Int], scheme: GridScheme, codes: [UInt8], scales: [UInt16], minimums: [UInt16] = []
  ) throws(LMToolError) {
    layout = try GridLayout(shape: shape, scheme: scheme)
    self.codes = codes
    self.scales = scales
    self.minimums = minimums
    try check(codes.count, layout.codeBytes, "bytes of codes", rule: "Q-5")
    try check(scales.count, layout.scaleCount, "scales", rule: "Q-2")
    try check(minimums.count, layout.minimumCount, "minimums", rule: "Q-2")
    try layout.checkFinite(scales, "scale")
    try layout.checkFinite(minimums, "minimum")
    try codes.withUnsafeBytesTyped { [layout] (bytes) throws(LMToolError) in try layout.checkPadding(bytes, firstRow: 0) }
  }

  private func check(_ count: Int, _ expected: Int, _ what: String, rule: String) throws(LMToolError) {
    guard count == expected else {
      throw LMToolError(.badInput, "a \(scheme) matrix of shape \(shape) needs \(expected) \(what), not \(count)", rule: rule)
    }
  }

  /// Turns whole rows back into floats, row after row.
  ///
  /// - Precondition: `rows` lies within the matrix and `output` holds exactly `rows.count * columns` elements.
  public func dequantize(rows: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= layout.rows, "rows outside the matrix")
    let first = rows.lowerBound
    let groups = (first * layout.groupsPerRow)..<(rows.upperBound * layout.groupsPerRow)
    codes.withUnsafeBufferPointer { codes in
      scales.withUnsafeBufferPointer { scales in
        minimums.withUnsafeBufferPointer { minimums in
          layout.dequantize(
            rows: rows.count,
            codes: UnsafeBufferPointer(rebasing: codes[(first * layout.bytesPerRow)..<(rows.upperBound * layout.bytesPerRow)]),
            scales: UnsafeBufferPointer(rebasing: scales[groups]),
            minimums: scheme.hasMinimum ? UnsafeBufferPointer(rebasing: minimums[groups]) : nil, into: output)
        }
      }
    }
  }

  /// The whole matrix as floats.
  public func dequantized() -> [Float] {
    let count = layout.rows * layout.columns
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      dequantize(rows: 0..<layout.rows, into: UnsafeMutableBufferPointer(rebasing: buffer[0..<count]))
      initialized = count
    }
  }
}

extension GridLayout {
  /// Turns `rows` rows of codes with their scales and minimums back into floats.
  func dequantize(
    rows: Int, codes: UnsafeBufferPointer<UInt8>, scales: UnsafeBufferPointer<UInt16>,
    minimums: UnsafeBufferPointer<UInt16>?, into output: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(output.count == rows * columns, "the output does not fit the rows")
    let kernel = GridKernel(columns: columns, group: group, bits: scheme.bits, hasMinimum: scheme.hasMinimum)
    guard rows > 0, let codes = codes.baseAddress, let scales = scales.baseAddress, let output = output.baseAddress
    else { return }
    for row in 0..<rows {
      kernel.dequantize(
        codes: codes + row * bytesPerRow, scales: scales + row * groupsPerRow,
        minimums: minimums?.baseAddress.map { $0 + row * groupsPerRow }, into: output + row * columns)
    }
  }

  /// Refuses infinities and NaN among the scales or minimums of rows from `firstRow` on (rule Q-4).
  func checkFinite(_ halves: [UInt16], _ what: String, firstRow: Int = 0) throws(LMToolError) {
    guard let index = halves.firstIndex(where: { $0 & 0x7C00 == 0x7C00 }) else { return }
    throw LMToolError(
      .badInput, "the \(what) of row \(firstRow + index / groupsPerRow), group \(index % groupsPerRow) is not a finite number",
      rule: "Q-4")
  }

  /// Refuses an odd row whose last nibble is not zero (rule Q-5).
  func checkPadding(_ codes: UnsafeRawBufferPointer, firstRow: Int) throws(LMToolError) {
    guard scheme.bits == 4, columns % 2 == 1 else { return }
    for end in stride(from: bytesPerRow - 1, to: codes.count, by: bytesPerRow) where codes[end] > 15 {
      throw LMToolError(
        .badInput, "row \(firstRow + end / bytesPerRow) ends in a nibble that is not zero; the codes are damaged", rule: "Q-5")
    }
  }
}
