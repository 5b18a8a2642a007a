import Kernels
import Models
import Quantization
import Tensors

extension WeightMatrix {
  /// Brings a matrix into compute layout: codes stay codes, 16-bit floats stay 16-bit, the rest becomes 32-bit floats.
  static func load(_ tensor: any TensorReader) throws(LMToolError) -> WeightMatrix {
    if let grid = tensor as? any GridTensorReader { return load(try grid.readGrid()) }
    return try loadFloats(tensor)
  }

  private static func load(_ grid: GridTensor) -> WeightMatrix {
    let layout = grid.layout, scheme = grid.scheme
    let format: Format = scheme.bits == 4 ? (scheme.hasMinimum ? .uint4 : .int4) : (scheme.hasMinimum ? .uint8 : .int8)
    let matrix = WeightMatrix(
      outputs: layout.rows, inputs: layout.columns, format: format, group: scheme.group ?? (layout.columns + 1) / 2 * 2)
    grid.codes.withUnsafeBytes { codes in
      grid.scales.withUnsafeBufferPointer { scales in
        grid.minimums.withUnsafeBufferPointer { minimums in
          ThreadPool.shared.forEach(matrix.blocks) { block in
            let first = matrix.rows(of: block).lowerBound
            matrix.pack(
              block: block, rows: codes.baseAddress! + first * layout.bytesPerRow,
              scales: scales.baseAddress.map { $0 + first * layout.groupsPerRow },
              minimums: minimums.baseAddress.map { $0 + first * layout.groupsPerRow })
          }
        }
      }
    }
    return matrix
  }

  private static func loadFloats(_ tensor: any TensorReader) throws(LMToolError) -> WeightMatrix {
    let format: Format = tensor.storage == .plain(.f16) ? .f16 : tensor.storage == .plain(.bf16) ? .bf16 : .f32
    let columns = tensor.shape[1]
    let matrix = WeightMatrix(outputs: tensor.shape[0], inputs: columns, format: format)
    try ThreadPool.shared.forEach(matrix.blocks) { (block) throws(LMToolError) in
      let rows = matrix.rows(of: block)
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
