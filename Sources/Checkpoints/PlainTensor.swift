import Tensors

/// A tensor of plain elements inside a mapped file.
///
/// Every type is readable as floats; those that floats cannot hold exactly (F64 and wide integers) are rounded to nearest.
/// BOOL reads as 0 and 1.
public struct PlainTensor: TensorReader {
  /// The name in the file.
  public let name: String
  /// Dimensions, outermost first.
  public let shape: [Int]
  /// The element type.
  public let dtype: DType
  /// The file that holds the elements.
  public let file: MappedFile
  /// Where in `file` the elements are; exactly as many bytes as `shape` and `dtype` need.
  public let range: Range<Int>

  /// A tensor at `range` of `file`, which the format's reader has checked against the file, the shape and the type.
  init(name: String, shape: [Int], dtype: DType, file: MappedFile, range: Range<Int>) {
    self.name = name
    self.shape = shape
    self.dtype = dtype
    self.file = file
    self.range = range
  }

  public var storage: Storage { .plain(dtype) }
  public var storedBytes: Int { range.count }

  /// Calls `body` with the stored bytes of all elements: for copying them as they are.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try file.withBytes(range, body)
  }

  public func read(_ elements: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= count, "elements outside the tensor")
    precondition(output.count == elements.count, "the output holds exactly the elements that are read")
    guard let target = output.baseAddress else { return }
    let start = range.lowerBound + elements.lowerBound * dtype.size
    file.withBytes(start..<(start + elements.count * dtype.size)) { dtype.widen($0, to: target) }
  }
}
