/// How a tensor is stored in its file.
public enum Storage: Equatable, Sendable, CustomStringConvertible {
  /// Plain elements.
  case plain(DType)
  /// Blocks of small integers with scales: a GGUF type such as "Q4_0", or one of our schemes such as "int4-g32".
  case quantized(String)

  /// "F16", "Q4_0", "int4-g32".
  public var description: String {
    switch self {
    case .plain(let type): type.rawValue
    case .quantized(let name): name
    }
  }
}

/// One tensor of a checkpoint, whatever the format, readable as 32-bit floats in pieces.
///
/// A reader borrows its file's memory map and holds no elements itself, so a model of any size costs only the pieces
/// that are asked for.
public protocol TensorReader: Sendable {
  /// The name in the file, or the name it was given on import.
  var name: String { get }
  /// Dimensions, outermost first (row-major): [outputs, inputs] for a matrix.
  var shape: [Int] { get }
  /// How the file stores the elements.
  var storage: Storage { get }
  /// Bytes that the tensor occupies in its file.
  var storedBytes: Int { get }

  /// Converts the elements of the flat, row-major `range` to floats.
  ///
  /// - Precondition: `range` lies within the element count and `output` holds exactly `range.count` elements.
  /// - Throws: `badInput` when the stored form is broken (for example a truncated frame).
  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError)

  /// Says that the tensor will not be read again soon, so that the pages of its file need not stay in memory.
  func discard()
}

extension TensorReader {
  /// Nothing, for tensors that hold no pages.
  public func discard() {}

  /// The number of elements; shapes are checked for overflow when a file is opened.
  public var count: Int { elementCount(shape) ?? 0 }

  /// All elements as floats: for small tensors, and for those that are needed whole.
  public func readAll() throws(LMToolError) -> [Float] {
    let count = self.count
    var failure: LMToolError?
    let floats = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      do throws(LMToolError) {
        try read(0..<count, into: UnsafeMutableBufferPointer(rebasing: buffer[0..<count]))
        initialized = count
      } catch {
        failure = error
        initialized = 0
      }
    }
    if let failure { throw failure }
    return floats
  }
}
