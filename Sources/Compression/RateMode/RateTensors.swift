import Models
import OrderedCollections
import Quantization
import Tensors

/// The floats of a rate matrix in memory, as a tensor.
struct DequantizedTensor: TensorReader {
  let name: String
  let shape: [Int]
  let elements: [Float]
  var storage: Storage { .plain(.f32) }
  var storedBytes: Int { 4 * elements.count }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    _ = output.update(from: elements[range])
  }
}
