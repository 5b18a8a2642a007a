import Tensors

/// A run of bytes that can be read in pieces: a tensor of a safetensors file, or a stream of an `.lmz`.
public protocol ByteSource: Sendable {
  /// Bytes in all.
  var count: Int { get }

  /// Copies the bytes of `range`.
  ///
  /// - Precondition: `range` lies within the source and `output` holds exactly `range.count` bytes.
  /// - Throws: `badInput` when the stored form is broken.
  func read(_ range: Range<Int>, into output: UnsafeMutableRawBufferPointer) throws(LMToolError)

  /// Gives back the memory that reading took, where the source keeps any.
  func discard()
}

extension ByteSource {
  /// The bytes of `range` as an array of bytes or of little-endian integers.
  ///
  /// - Precondition: `range` holds a whole number of elements.
  public func elements<Element: FixedWidthInteger>(
    _ type: Element.Type = Element.self, bytes range: Range<Int>
  ) throws(LMToolError) -> [Element] {
    let count = range.count / MemoryLayout<Element>.size
    var failure: LMToolError?
    let elements = [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      do throws(LMToolError) {
        try read(range, into: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[0..<count])))
        initialized = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return elements
  }
}
