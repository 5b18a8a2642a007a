import Kernels
import Tensors

/// A piece of a tensor on its way into a file.
enum FloatPiece {
  /// The elements of `range` as little-endian bytes of `type`, each finite.
  ///
  /// - Throws: `badInput` by rule LMZ-12.
  static func read(_ tensor: any TensorReader, _ range: Range<Int>, as type: DType) throws(LMToolError) -> [UInt8] {
    let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: range.count)
    defer { floats.deallocate() }
    try tensor.read(range, into: floats)
    let bytes = [UInt8](unsafeUninitializedCapacity: range.count * type.size) { buffer, initialized in
      narrow(floats, to: UnsafeMutableRawBufferPointer(buffer), as: type)
      initialized = range.count * type.size
    }
    guard let index = bytes.withUnsafeBytes({ type.firstNonfinite($0) }) else { return bytes }
    throw LMToolError(
      .badInput,
      "element \(range.lowerBound + index) is \(floats[index]), which is not a finite \(type.rawValue); "
        + "repair the checkpoint, or keep the tensor in f32", at: .tensor(tensor.name), rule: "LMZ-12")
  }

  private static func narrow(_ floats: UnsafeMutableBufferPointer<Float>, to bytes: UnsafeMutableRawBufferPointer, as type: DType)
  {
    guard let source = floats.baseAddress, let target = bytes.baseAddress else { return }
    switch type {
    case .f16: Kernels.narrow(source, toF16: target, count: floats.count)
    case .bf16: Kernels.narrow(source, toBF16: target, count: floats.count)
    default: target.copyMemory(from: source, byteCount: floats.count * 4)
    }
  }
}
