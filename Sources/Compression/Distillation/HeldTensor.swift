import Tensors

/// A tensor of floats in memory.
struct HeldTensor: TensorReader {
  let name: String
  let shape: [Int]
  private let floats: [Float]

  /// A tensor of `shape`, row after row.
  init(name: String, shape: [Int], floats: [Float]) {
    self.name = name
    self.shape = shape
    self.floats = floats
  }

  var storage: Storage { .plain(.f32) }
  var storedBytes: Int { 4 * floats.count }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    _ = output.update(from: floats[range])
  }
}
