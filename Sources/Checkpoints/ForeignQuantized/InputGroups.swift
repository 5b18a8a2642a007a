import Tensors

/// Which group of scales each input of a matrix belongs to. Rule QUANT-3.
struct InputGroups: Sendable {
  /// The number of groups.
  let count: Int
  private let size: Int
  private let order: [Int32]?

  /// Groups of `size` neighbours, or all inputs where it is -1.
  init(inputs: Int, size: Int) {
    self.size = size < 1 ? max(inputs, 1) : size
    count = (inputs + self.size - 1) / self.size
    order = nil
  }

  /// As many groups, but those that `index` names.
  init(_ groups: InputGroups, index: PlainTensor, inputs: Int) throws(LMToolError) {
    guard index.shape == [inputs], index.dtype == .i32 else {
      throw index.refuse("groups have the shape \(index.shape), but there are \(inputs) inputs", rule: 2)
    }
    let order = index.withBytes { bytes in (0..<inputs).map { Int32(bitPattern: bytes.word($0)) } }
    guard order.allSatisfy({ $0 >= 0 && Int($0) < groups.count }) else {
      throw index.refuse("an input is of a group that is not among the \(groups.count)", rule: 3)
    }
    size = groups.size
    count = groups.count
    let isPlain = order.enumerated().allSatisfy { Int($1) == $0 / groups.size }
    self.order = isPlain ? nil : order
  }

  /// The group of an input.
  @inline(__always)
  func group(_ input: Int) -> Int { order.map { Int($0[input]) } ?? input / size }
}

extension PlainTensor {
  /// An error that names this part.
  func refuse(_ message: String, rule: Int) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .tensor(name), rule: "QUANT-\(rule)")
  }

  /// Checks type and shape. Rule QUANT-2.
  func check(_ types: [DType], _ wanted: [Int]) throws(LMToolError) {
    guard types.contains(dtype), shape == wanted else {
      let names = types.map(\.rawValue).joined(separator: " or ")
      throw refuse("it is \(dtype.rawValue) of the shape \(shape), but should be \(names) of \(wanted)", rule: 2)
    }
  }
}

extension [DType] {
  /// Types of codes.
  static let words: [DType] = [.i32, .u32]
  /// Types of scales.
  static let scales: [DType] = [.f32, .f16, .bf16]
}
