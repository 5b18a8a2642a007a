import Kernels
import Models
import Quantization
import Tensors

/// What products with quantized weights compute with.
public enum Arithmetic: Sendable, CaseIterable {
  /// Codes stay codes, activations become codes of 8 bits: small and fast.
  case integer
  /// Codes become the 32-bit floats they stand for: exact and large, to measure what `integer` costs.
  case float
}

extension WeightMatrix {
  /// Brings a matrix into compute layout: codes stay codes unless `arithmetic` wants floats, 16-bit floats stay 16-bit, the rest
  /// becomes 32-bit floats.
  package static func load(_ tensor: any TensorReader, _ arithmetic: Arithmetic) throws(LMToolError) -> WeightMatrix {
    if arithmetic == .integer, let rate = tensor as? any RateTensorReader { return .codes(try CodedMatrix.load(rate)) }
    if arithmetic == .integer, let grid = tensor as? any GridTensorReader { return .codes(load(try grid.readGrid())) }
    return .floats(try loadFloats(tensor))
  }

  private static func load(_ grid: GridTensor) -> CodedMatrix {
    let layout = grid.layout, scheme = grid.scheme
    let format: CodedMatrix.Format = scheme.bits == 4 ? (scheme.hasMinimum ? .uint4 : .int4) : scheme.hasMinimum ? .uint8 : .int8
    let matrix = CodedMatrix(outputs: layout.rows, inputs: layout.columns, format: format, group: scheme.group)
    grid.codes.withUnsafeBufferPointer { codes in
      grid.scales.withUnsafeBufferPointer { scales in
        grid.minimums.withUnsafeBufferPointer { minimums in
          guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
          ThreadPool.shared.forEach((layout.rows + 31) / 32) { block in
            let groups = block * 32 * layout.groupsPerRow
            matrix.pack(
              block: block, codes: codes + block * 32 * layout.bytesPerRow, scales: scales + groups,
              minimums: scheme.hasMinimum ? minimums.baseAddress.map { $0 + groups } : nil)
          }
        }
      }
    }
    return matrix
  }

  private static func loadFloats(_ tensor: any TensorReader) throws(LMToolError) -> FloatMatrix {
    let format: FloatMatrix.Format = tensor.storage == .plain(.f16) ? .f16 : tensor.storage == .plain(.bf16) ? .bf16 : .f32
    let rows = tensor.shape[0], columns = tensor.shape[1]
    let matrix = FloatMatrix(outputs: rows, inputs: columns, format: format)
    try ThreadPool.shared.forEach((rows + 31) / 32) { (block) throws(LMToolError) in
      let rows = block * 32..<min(rows, block * 32 + 32)
      let count = rows.count * columns
      let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
      defer { floats.deallocate() }
      try tensor.read(rows.lowerBound * columns..<rows.upperBound * columns, into: floats)
      try checkFinite(UnsafeBufferPointer(floats), of: tensor, from: rows.lowerBound * columns)
      guard let base = floats.baseAddress else { return }
      // Narrowing in place is exact, since the floats were widened from this very format, and safe, since the element
      // written lies before the element read.
      if format == .f16 { narrow(base, toF16: base, count: count) }
      if format == .bf16 { narrow(base, toBF16: base, count: count) }
      matrix.pack(block: block, rows: base)
    }
    return matrix
  }
}

/// Refuses weights that are NaN or infinite (MODEL-5); the first of `floats` is element `start` of the tensor.
func checkFinite(_ floats: UnsafeBufferPointer<Float>, of tensor: any TensorReader, from start: Int) throws(LMToolError) {
  guard let index = firstElement(beyond: .greatestFiniteMagnitude, in: floats) else { return }
  throw LMToolError(
    .badInput, "element \(start + index) is \(floats[index]); a model with such weights is broken", at: .tensor(tensor.name),
    rule: "MODEL-5")
}
