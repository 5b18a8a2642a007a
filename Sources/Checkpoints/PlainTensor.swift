import Tensors

/// A tensor of plain elements inside a mapped file.
///
/// Every type is readable as floats; those that floats cannot hold exactly (F64 and wide integers) are rounded to nearest.
/// BOOL reads as 0 and 1.
public struct PlainTensor: MappedTensor {
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

  /// How the elements are stored.
  public var storage: Storage { .plain(dtype) }

  /// Converts elements to floats.
  public func read(_ elements: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= count, "elements outside the tensor")
    precondition(output.count == elements.count, "the output holds exactly the elements that are read")
    guard let target = output.baseAddress else { return }
    let start = range.lowerBound + elements.lowerBound * dtype.size
    file.withBytes(start..<(start + elements.count * dtype.size)) { dtype.widen($0, to: target) }
  }
}
