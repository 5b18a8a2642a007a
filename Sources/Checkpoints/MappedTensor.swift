import Tensors

/// A tensor whose stored form is one stretch of a mapped file.
public protocol MappedTensor: TensorReader {
  /// The file that holds the elements.
  var file: MappedFile { get }
  /// Where in `file` the stored form is.
  var range: Range<Int> { get }
}

extension MappedTensor {
  /// Bytes in the file.
  public var storedBytes: Int { range.count }

  /// Calls `body` with the stored bytes of all elements: for copying them as they are.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try file.withBytes(range, body)
  }

  /// Tells the system that the stored bytes are not needed any more, so that streaming through a model larger than memory
  /// does not count against the process. Reading again is allowed, and reads the file again.
  public func discard() { file.discard(range) }
}
