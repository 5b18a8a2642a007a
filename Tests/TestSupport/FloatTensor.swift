import Tensors

/// A tensor that is an array of floats in memory.
public struct FloatTensor: TensorReader {
  /// The name, for messages.
  public let name: String
  /// The shape; its product is the number of floats.
  public let shape: [Int]
  /// The elements, row-major.
  public let floats: [Float]
  /// Plain F32.
  public var storage: Storage { .plain(.f32) }
  /// Four bytes for each element.
  public var storedBytes: Int { 4 * floats.count }

  /// A tensor of `shape` with the elements `floats`.
  public init(name: String = "test.weight", shape: [Int], floats: [Float]) {
    self.name = name
    self.shape = shape
    self.floats = floats
  }

  /// Copies the elements of `range`.
  public func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    _ = output.update(from: floats[range])
  }
}
