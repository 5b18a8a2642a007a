import Tensors

/// A tensor whose elements lie apart from each other, or with their highest byte first: a transposed matrix, every second column,
/// one that a big-endian machine wrote.
struct StridedTensor: TensorReader {
  let name: String
  let shape: [Int]
  /// How far apart neighbours along each dimension lie, in elements; not negative.
  let strides: [Int]
  let dtype: DType
  let file: MappedFile
  /// From the first element to the end of what the format's reader has checked to hold them all.
  let range: Range<Int>
  let isBigEndian: Bool

  var storage: Storage { .plain(dtype) }
  var storedBytes: Int { count * dtype.size }

  func discard() { file.discard(range) }

  /// The same tensor, if its elements lie one after the other in the order of this machine.
  var plain: PlainTensor? {
    guard !isBigEndian, isContiguous else { return nil }
    let end = range.lowerBound + storedBytes
    return PlainTensor(name: name, shape: shape, dtype: dtype, file: file, range: range.lowerBound..<end)
  }

  /// Strides of dimensions of one element, and of tensors of none, do not matter.
  private var isContiguous: Bool {
    var expected = 1
    for (dimension, stride) in zip(shape, strides).reversed() where dimension != 1 {
      guard stride == expected || count == 0 else { return false }
      expected *= dimension
    }
    return true
  }

  /// Converts elements to floats, piece by piece by way of a buffer in which they lie side by side.
  func read(_ elements: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= count, "elements outside the tensor")
    precondition(output.count == elements.count, "the output holds exactly the elements that are read")
    guard let target = output.baseAddress else { return }
    let piece = 4096
    withUnsafeTemporaryAllocation(byteCount: piece * dtype.size, alignment: 16) { room in
      for start in stride(from: elements.lowerBound, to: elements.upperBound, by: piece) {
        let part = start..<min(start + piece, elements.upperBound)
        let bytes = UnsafeMutableRawBufferPointer(rebasing: room[0..<part.count * dtype.size])
        file.withBytes(range) { gather(part, from: $0, to: bytes) }
        dtype.widen(UnsafeRawBufferPointer(bytes), to: target + (start - elements.lowerBound))
      }
    }
  }

  private func gather(_ elements: Range<Int>, from source: UnsafeRawBufferPointer, to output: UnsafeMutableRawBufferPointer) {
    switch dtype.size {
    case 1: gather(elements, UInt8.self, source, output)
    case 2: gather(elements, UInt16.self, source, output)
    case 4: gather(elements, UInt32.self, source, output)
    default: gather(elements, UInt64.self, source, output)
    }
  }

  /// Copies elements, row after row of the last dimension.
  private func gather<Element: FixedWidthInteger>(
    _ elements: Range<Int>, _ type: Element.Type, _ source: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
  ) {
    let width = shape.last ?? 1, step = strides.last ?? 1, size = MemoryLayout<Element>.size
    var position = elements.lowerBound
    while position < elements.upperBound {
      let (row, column) = position.quotientAndRemainder(dividingBy: width)
      let taken = min(width - column, elements.upperBound - position)
      let start = place(ofRow: row) + column * step
      for index in 0..<taken {
        let element = source.loadUnaligned(fromByteOffset: (start + index * step) * size, as: type)
        let target = (position - elements.lowerBound + index) * size
        output.storeBytes(of: isBigEndian ? element.byteSwapped : element, toByteOffset: target, as: type)
      }
      position += taken
    }
  }

  /// Where row `row` begins, in elements: rows are counted over all dimensions but the last.
  private func place(ofRow row: Int) -> Int {
    var rest = row, place = 0
    for (dimension, stride) in zip(shape.dropLast(), strides.dropLast()).reversed() {
      place += rest % dimension * stride
      rest /= dimension
    }
    return place
  }
}
