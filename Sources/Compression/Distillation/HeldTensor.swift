import Tensors
import Training

/// A tensor of floats in memory, which are not copied.
struct HeldTensor: TensorReader {
  let name: String
  let shape: [Int]
  private let floats: Floats

  /// A tensor of `shape`, row after row.
  init(name: String, shape: [Int], floats: Floats) {
    self.name = name
    self.shape = shape
    self.floats = floats
  }

  var storage: Storage { .plain(.f32) }
  var storedBytes: Int { 4 * floats.count }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    guard let base = output.baseAddress else { return }
    base.update(from: floats.pointer + range.lowerBound, count: range.count)
  }
}
