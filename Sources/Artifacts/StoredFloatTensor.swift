import Kernels
import Quantization
import Tensors

/// A plain tensor of an `.lmz` file (rule LMZ-12).
struct StoredFloatTensor: TensorReader {
  let name: String
  let shape: [Int]
  let type: DType
  let storedBytes: Int
  let stream: StoredStream

  var storage: Storage { .plain(type) }

  /// Elements that are unpacked at a time: whole blocks, which go past the cache.
  private static let piece = Planes.block

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count && output.count == range.count, "range outside the tensor")
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min((start / Self.piece + 1) * Self.piece, range.upperBound)
      try readPiece(
        start..<end, into: UnsafeMutableBufferPointer(rebasing: output[(start - range.lowerBound)..<(end - range.lowerBound)]))
      start = end
    }
  }

  private func readPiece(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    let bytes: [UInt8] = try stream.elements(bytes: (range.lowerBound * type.size)..<(range.upperBound * type.size))
    try bytes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in
      if let index = type.firstNonfinite(bytes) { throw nonfinite(at: range.lowerBound + index) }
      guard let source = bytes.baseAddress, let target = output.baseAddress else { return }
      switch type {
      case .f16: widen(f16: source, to: target, count: range.count)
      case .bf16: widen(bf16: source, to: target, count: range.count)
      default: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: bytes.count)
      }
    }
  }

  private func nonfinite(at index: Int) -> LMToolError {
    LMToolError(.badInput, "element \(index) is NaN or infinite", at: .tensor(name), rule: "LMZ-12")
  }
}
