import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors

/// A float tensor as it will read when it has been stored as another type.
struct RoundedTensor: TensorReader {
  let base: any TensorReader
  let type: DType

  var name: String { base.name }
  var shape: [Int] { base.shape }
  var storage: Storage { .plain(type) }
  var storedBytes: Int { count * type.size }

  func discard() { base.discard() }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    try base.read(range, into: output)
    guard let floats = output.baseAddress, type != .f32 else { return }
    let halves = UnsafeMutablePointer<UInt16>.allocate(capacity: range.count)
    defer { halves.deallocate() }
    if type == .bf16 {
      narrow(floats, toBF16: halves, count: range.count)
      widen(bf16: halves, to: floats, count: range.count)
    } else {
      narrow(floats, toF16: halves, count: range.count)
      widen(f16: halves, to: floats, count: range.count)
    }
  }
}

extension ModelSource {
  /// The model as an artifact will hold it: codes as they are, floats as f16 unless they are bf16 or f32 vectors.
  func asStored(matrixType: DType?) -> ModelSource {
    var stored = self
    for (name, tensor) in tensors where !(tensor is any GridTensorReader || tensor is any EncodedRateTensorReader) {
      stored.tensors[name] = RoundedTensor(base: tensor, type: Exporting.storedType(of: tensor, matrixType: matrixType))
    }
    return stored
  }
}
