import Kernels
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Reads a tensor in pieces of floats and checks that they are finite.
enum FloatPieces {
  /// Elements that are held at a time.
  static let size = 1 << 20

  /// Calls `body` with every piece, in order; `remedy` is what to do about an element that `type` cannot hold.
  ///
  /// - Throws: `badInput` naming the first element that is NaN or infinite, or larger than `type` can hold.
  static func read(
    _ tensor: any TensorReader, as type: DType, of path: String, remedy: String,
    _ body: (UnsafeBufferPointer<Float>) throws(LMToolError) -> Void
  ) throws(LMToolError) {
    let count = tensor.count
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(max(count, 1), size))
    defer { buffer.deallocate() }
    for start in stride(from: 0, to: count, by: size) {
      let range = start..<min(start + size, count)
      let piece = UnsafeMutableBufferPointer(rebasing: buffer[0..<range.count])
      do throws(LMToolError) { try tensor.read(range, into: piece) } catch { throw error.within(file: path) }
      try check(UnsafeBufferPointer(piece), from: start, of: tensor, as: type, path: path, remedy: remedy)
      try body(UnsafeBufferPointer(piece))
      tensor.discard()  // pages of the file that were read count as memory of the process
    }
  }

  /// Refuses a piece that starts at element `start` and holds what is not finite or, in `type`, would not be (MODEL-5).
  static func check(
    _ piece: UnsafeBufferPointer<Float>, from start: Int, of tensor: any TensorReader, as type: DType, path: String?,
    remedy: String
  ) throws(LMToolError) {
    let limit: Float = type == .f16 ? 65504 : .greatestFiniteMagnitude
    guard let index = firstElement(beyond: limit, in: piece) else { return }
    let value = piece[index]
    let problem =
      value.isFinite
      ? "is \(value), more than f16 can hold; \(remedy)" : "is \(value); a model with such weights is broken"
    throw LMToolError(.badInput, "element \(start + index) \(problem)", file: path, at: .tensor(tensor.name), rule: "MODEL-5")
  }
}
