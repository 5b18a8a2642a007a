import Tensors

/// A matrix by bitsandbytes in 4 bits: codes that number the values of a table (NF4, FP4), the first of two in the upper bits, and the
/// largest magnitude of each block of elements, which may be a code itself ("double quantization"). Blocks go on from row to row.
struct LookupTensor: MatrixRows {
  let name: String
  /// [outputs, inputs].
  let shape: [Int]
  let codes, magnitudes: PlainTensor
  private let kind: String
  private let table: [Float]
  private let blockSize: Int
  private let nested: Nested?

  /// What the codes of magnitudes stand for.
  private struct Nested {
    let table, magnitudes: [Float]
    let blockSize: Int
    let offset: Float
  }

  var storage: Storage { .quantized("bitsandbytes \(kind)") }
  var parts: [PlainTensor] { [codes, magnitudes] }

  /// What `quant_state` says, JSON in a tensor of bytes.
  struct State: Decodable {
    var kind: String
    var blockSize: Int
    var shape: [Int]
    var nestedBlockSize: Int?
    var nestedOffset: Double?

    private enum CodingKeys: String, CodingKey {
      case kind = "quant_type"
      case blockSize = "blocksize"
      case shape
      case nestedBlockSize = "nested_blocksize"
      case nestedOffset = "nested_offset"
    }
  }

  /// - Parameter nested: the table and the magnitudes of magnitudes, where these are codes.
  init(
    name: String, state: State, codes: PlainTensor, table: PlainTensor, magnitudes: PlainTensor,
    nested: (table: PlainTensor, magnitudes: PlainTensor)?
  ) throws(LMToolError) {
    guard ["nf4", "fp4"].contains(state.kind), 1...(1 << 24) ~= state.blockSize, state.shape.count == 2,
      state.shape.allSatisfy({ $0 > 0 }), let count = elementCount(state.shape)
    else {
      throw codes.refuse(
        "its state is \(state.kind.printable) of the shape \(state.shape), not nf4 or fp4 of a matrix", rule: 6)
    }
    guard codes.range.count == count / 2 + count % 2 else {
      throw codes.refuse("it has \(codes.range.count) bytes of codes for a matrix \(state.shape)", rule: 6)
    }
    try table.check([.f32], [16])
    let blocks = (count - 1) / state.blockSize + 1
    try magnitudes.check(nested == nil ? [.f32] : [.u8], [blocks])
    self.name = name
    shape = state.shape
    (self.codes, self.magnitudes) = (codes, magnitudes)
    kind = state.kind
    self.table = try table.floats(0..<16)
    blockSize = state.blockSize
    self.nested = try nested.map { (parts) throws(LMToolError) in
      guard let size = state.nestedBlockSize, 1...(1 << 24) ~= size, let offset = state.nestedOffset, offset.isFinite else {
        throw magnitudes.refuse("its state lacks nested_blocksize or nested_offset", rule: 6)
      }
      let blocks = (blocks - 1) / size + 1
      try parts.table.check([.f32], [256])
      try parts.magnitudes.check([.f32], [blocks])
      return Nested(
        table: try parts.table.floats(0..<256), magnitudes: try parts.magnitudes.floats(0..<blocks), blockSize: size,
        offset: Float(offset))
    }
  }

  func decode(rows: Range<Int>, to output: UnsafeMutablePointer<Float>) throws(LMToolError) {
    let first = rows.lowerBound * shape[1], last = rows.upperBound * shape[1]
    var start = first
    while start < last {
      let block = start / blockSize, end = min((block + 1) * blockSize, last)
      let magnitude = try magnitude(block)
      codes.withBytes { bytes in
        for element in start..<end {
          output[element - first] = table[Int(bytes[element / 2] >> (element % 2 == 0 ? 4 : 0) & 15)] * magnitude
        }
      }
      start = end
    }
  }

  private func magnitude(_ block: Int) throws(LMToolError) -> Float {
    guard let nested else { return try magnitudes.floats(block..<block + 1)[0] }
    let code = magnitudes.withBytes { Int($0[block]) }
    return nested.table[code] * nested.magnitudes[block / nested.blockSize] + nested.offset
  }
}
