import Tensors

/// A quantized matrix of any file: readable as floats, and as the codes themselves for kernels and lossless export.
public protocol GridTensorReader: TensorReader {
  /// The scheme.
  var scheme: GridScheme { get }

  /// The codes, scales and minimums.
  ///
  /// - Throws: `badInput` when the stored form is broken.
  func readGrid() throws(LMToolError) -> GridTensor
}

/// A quantized matrix whose codes, scales and minimums are three runs of bytes of some file.
public struct StoredGridTensor: GridTensorReader {
  /// The name of the matrix, without ".codes".
  public let name: String
  /// The sizes.
  public let layout: GridLayout
  private let codes: any ByteSource
  private let scales: any ByteSource
  private let minimums: (any ByteSource)?
  private let packedBytes: Int?

  /// Rows are read in pieces of about so many weights.
  private static let piece = 1 << 20

  /// A matrix of `shape` [rows, columns].
  ///
  /// - Parameter storedBytes: bytes in the file, where that is not the sum of the sources.
  /// - Throws: `badInput` when a source has not the size that shape and scheme demand.
  public init(
    name: String, shape: [Int], scheme: GridScheme, codes: any ByteSource, scales: any ByteSource, minimums: (any ByteSource)?,
    storedBytes: Int? = nil
  ) throws(LMToolError) {
    self.name = name
    packedBytes = storedBytes
    self.codes = codes
    self.scales = scales
    self.minimums = minimums
    do throws(LMToolError) { layout = try GridLayout(shape: shape, scheme: scheme) } catch { throw error.naming(name) }
    try check(codes.count, layout.codeBytes, "codes")
    try check(scales.count, 2 * layout.scaleCount, "scales")
    try check(minimums?.count ?? 0, 2 * layout.minimumCount, "minimums")
  }

  private func check(_ count: Int, _ expected: Int, _ part: String) throws(LMToolError) {
    guard count == expected else {
      throw LMToolError(
        .badInput, "a \(scheme) matrix of shape \(shape) has \(expected) bytes of \(part), not \(count)",
        at: .tensor(name), rule: "Q-7")
    }
  }

  /// The scheme.
  public var scheme: GridScheme { layout.scheme }
  /// [rows, columns].
  public var shape: [Int] { [layout.rows, layout.columns] }
  /// The scheme by its name.
  public var storage: Storage { .quantized(scheme.name) }
  /// Bytes of codes, scales and minimums in the file.
  public var storedBytes: Int { packedBytes ?? layout.bytes }

  /// The codes, scales and minimums, checked by rules.
  public func readGrid() throws(LMToolError) -> GridTensor {
    do throws(LMToolError) { return try grid(rows: 0..<layout.rows) } catch { throw error.naming(name) }
  }

  /// The elements of `range` as floats, about a million at a time.
  public func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count && output.count == range.count, "range outside the tensor")
    guard !range.isEmpty else { return }
    let columns = layout.columns
    let rows = (range.lowerBound / columns)..<((range.upperBound + columns - 1) / columns)
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: max(1, Self.piece / columns)) {
      let piece = first..<min(first + max(1, Self.piece / columns), rows.upperBound)
      do throws(LMToolError) {
        try read(rows: piece, within: range, into: output)
      } catch { throw error.naming(name) }
    }
  }

  /// Reads the part of `rows` that lies in `range`: straight into the output where it is all of them.
  private func read(
    rows: Range<Int>, within range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>
  ) throws(LMToolError) {
    let grid = try grid(rows: rows)
    let elements = (rows.lowerBound * layout.columns)..<(rows.upperBound * layout.columns)
    let wanted = elements.clamped(to: range)
    let target = UnsafeMutableBufferPointer(
      rebasing: output[(wanted.lowerBound - range.lowerBound)..<(wanted.upperBound - range.lowerBound)])
    if wanted == elements { return grid.dequantize(rows: 0..<rows.count, into: target) }
    let skipped = wanted.lowerBound - elements.lowerBound
    _ = target.update(from: grid.dequantized()[skipped..<(skipped + wanted.count)])
  }

  /// Gives back the memory that reading took.
  public func discard() {
    codes.discard()
    scales.discard()
    minimums?.discard()
  }

  private func grid(rows: Range<Int>) throws(LMToolError) -> GridTensor {
    func scaled(_ width: Int) -> Range<Int> { (rows.lowerBound * width)..<(rows.upperBound * width) }
    let halves = scaled(2 * layout.groupsPerRow)
    return try GridTensor(
      shape: [rows.count, layout.columns], scheme: scheme,
      codes: try codes.elements(bytes: scaled(layout.bytesPerRow)),
      scales: try scales.elements(bytes: halves),
      minimums: try minimums?.elements(bytes: halves) ?? [])
  }
}

extension LMToolError {
  /// The same error, said of tensor `name` if no place was named yet.
  func naming(_ name: String) -> LMToolError {
    var error = self
    error.place = error.place ?? .tensor(name)
    return error
  }
}
