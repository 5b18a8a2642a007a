import Tensors

/// The bytes that tensors view.
struct TorchStorage: Sendable {
  /// Where in the file they are.
  let range: Range<Int>
  /// The type of the elements; nil for bytes whose type the tensor tells.
  let dtype: DType?
}

/// A view of a storage, checked to lie within it.
struct TorchTensor: Sendable {
  let storage: TorchStorage
  let dtype: DType
  /// The first element, counted in elements.
  let offset: Int
  let shape: [Int]
  let strides: [Int]

  /// Rules TORCH-4 and TORCH-5.
  init(_ storage: TorchStorage, dtype: DType, offset: Int, shape: [Int], strides: [Int]) throws(LMToolError) {
    guard shape.count <= 64, shape.count == strides.count, offset >= 0, (shape + strides).allSatisfy({ $0 >= 0 }) else {
      throw LMToolError(
        .badInput, "a tensor has the offset \(offset), the shape \(shape) and the strides \(strides), which do not go together",
        rule: "TORCH-4")
    }
    let held = storage.range.count / dtype.size
    guard elementCount(shape) != nil, let end = Self.end(offset, shape, strides), end <= held else {
      throw LMToolError(
        .badInput,
        "a tensor of the shape \(shape) with the strides \(strides) from element \(offset) on lies outside of its storage of \(held)",
        rule: "TORCH-5")
    }
    self.storage = storage
    self.dtype = dtype
    self.offset = offset
    self.shape = shape
    self.strides = strides
  }

  /// Whether the view has more elements than its storage (TORCH-6).
  var isExpanded: Bool { (elementCount(shape) ?? 0) > storage.range.count / dtype.size }

  /// The tensor as what reads it.
  func reader(name: String, of archive: TorchArchive) -> any TensorReader {
    let start = storage.range.lowerBound + (shape.contains(0) ? 0 : offset * dtype.size)
    let strided = StridedTensor(
      name: name, shape: shape, strides: strides, dtype: dtype, file: archive.file, range: start..<storage.range.upperBound,
      isBigEndian: archive.isBigEndian && dtype.size > 1)
    return strided.plain ?? strided
  }

  /// One past the last element of the view; nil when that overflows. An empty view ends where it begins, at 0.
  private static func end(_ offset: Int, _ shape: [Int], _ strides: [Int]) -> Int? {
    guard !shape.contains(0) else { return 0 }
    var last = offset
    for (dimension, stride) in zip(shape, strides) {
      let (span, overflow) = (dimension - 1).multipliedReportingOverflow(by: stride)
      let (sum, carry) = last.addingReportingOverflow(span)
      guard !overflow, !carry else { return nil }
      last = sum
    }
    return last == Int.max ? nil : last + 1
  }
}
