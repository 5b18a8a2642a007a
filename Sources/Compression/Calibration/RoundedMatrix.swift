import Models
import OrderedCollections
import Quantization
import Tensors

/// A float matrix that becomes 8-bit integers whenever it is loaded.
private struct RoundedMatrix: GridTensorReader {
  let original: any TensorReader

  /// The scales of groups of 32 lose next to nothing.
  let scheme = QuantizationRecipe.int8.scheme

  var name: String { original.name }
  var shape: [Int] { original.shape }
  var storage: Storage { .quantized(scheme.name) }
  var storedBytes: Int { original.storedBytes }

  func readGrid() throws(LMToolError) -> GridTensor { try ClipSearch(scheme).quantize(original) }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    _ = output.update(from: try readGrid().dequantized()[range])
  }

  func discard() { original.discard() }
}

extension ModelSource {
  /// The same model with matrices of 8-bit integers for floats, as they are loaded: nearly the same, and much faster.
  func rounded() -> ModelSource {
    var rounded = self
    for (name, tensor) in tensors where tensor.shape.count == 2 {
      if case .plain = tensor.storage { rounded.tensors[name] = RoundedMatrix(original: tensor) }
    }
    return rounded
  }
}
