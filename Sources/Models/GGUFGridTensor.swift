import Checkpoints
import Quantization
import Tensors

/// A Q8_0, Q4_0 or Q4_1 matrix of a GGUF file as the grid that it is: codes, scales and minimums pass through without loss.
///
/// The block layouts are those of `formats/gguf.md`: 32 elements with an f16 scale, for Q4_1 also an f16 minimum, then the
/// codes; the first half of a 4-bit block lies in the low nibbles.
struct GGUFGridTensor: GridTensorReader {
  let base: GGUFTensor
  let scheme: GridScheme

  /// Nil for a tensor of another type, or that is no matrix.
  init?(_ tensor: GGUFTensor) {
    let names: [GGMLType: String] = [.q8_0: "int8-g32", .q4_0: "int4-g32", .q4_1: "int4-g32-min"]
    guard tensor.shape.count == 2, let scheme = names[tensor.type].flatMap(GridScheme.init(name:)) else { return nil }
    base = tensor
    self.scheme = scheme
  }

  var name: String { base.name }
  var shape: [Int] { base.shape }
  var storage: Storage { base.storage }
  var storedBytes: Int { base.storedBytes }

  func discard() { base.discard() }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    try base.read(range, into: output)
  }

  func readGrid() throws(LMToolError) -> GridTensor {
    let blocks = count / 32, header = scheme.hasMinimum ? 4 : 2
    var codes = [UInt8](repeating: 0, count: scheme.bits == 4 ? count / 2 : count)
    var scales = [UInt16](repeating: 0, count: blocks)
    var minimums = [UInt16](repeating: 0, count: scheme.hasMinimum ? blocks : 0)
    base.withBytes { bytes in
      for block in 0..<blocks {
        let start = block * base.type.bytesPerBlock
        scales[block] = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt16.self))
        if scheme.hasMinimum {
          minimums[block] = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: start + 2, as: UInt16.self))
        }
        let source = UnsafeRawBufferPointer(rebasing: bytes[start + header..<start + base.type.bytesPerBlock])
        scheme.bits == 8 ? copyBytes(source, block, &codes) : joinNibbles(source, block, &codes)
      }
    }
    return try GridTensor(shape: shape, scheme: scheme, codes: codes, scales: scales, minimums: minimums)
  }

  private func copyBytes(_ source: UnsafeRawBufferPointer, _ block: Int, _ codes: inout [UInt8]) {
    for index in 0..<32 { codes[32 * block + index] = source[index] }
  }

  /// From element i beside element i + 16 to neighbours beside each other.
  private func joinNibbles(_ source: UnsafeRawBufferPointer, _ block: Int, _ codes: inout [UInt8]) {
    for index in 0..<8 {
      let low = source[2 * index], high = source[2 * index + 1]
      codes[16 * block + index] = low & 15 | high << 4
      codes[16 * block + 8 + index] = low >> 4 | high & 0xF0
    }
  }
}

/// A quantized matrix whose rows lie among those of a stored one.
struct SlicedGridTensor: GridTensorReader {
  private let base: any GridTensorReader
  private let slice: TensorSlice
  private let floats: SlicedTensor
  let name: String
  let shape: [Int]

  /// - Precondition: `base` is the stored tensor of `slice`, which is not transposed.
  init(_ spec: TensorSpec, slice: TensorSlice, base: any GridTensorReader) {
    self.base = base
    floats = SlicedTensor(spec, slices: [slice], bases: [base])
    self.slice = slice
    name = spec.name
    shape = spec.shape
  }

  var scheme: GridScheme { base.scheme }
  var storage: Storage { base.storage }
  var storedBytes: Int { base.storedBytes / max(1, base.shape[0]) * shape[0] }
  private var isWhole: Bool { slice == TensorSlice(slice.name, shape: shape) }

  func discard() { base.discard() }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    try floats.read(range, into: output)
  }

  func readGrid() throws(LMToolError) -> GridTensor {
    let grid = try base.readGrid()
    if isWhole { return grid }
    let layout = grid.layout
    func select<Element>(_ elements: [Element], _ width: Int) -> [Element] {
      guard !elements.isEmpty else { return [] }
      return (0..<shape[0]).flatMap { elements[slice.storedRow($0) * width..<(slice.storedRow($0) + 1) * width] }
    }
    return try GridTensor(
      shape: shape, scheme: grid.scheme, codes: select(grid.codes, layout.bytesPerRow),
      scales: select(grid.scales, layout.groupsPerRow), minimums: select(grid.minimums, layout.groupsPerRow))
  }
}
