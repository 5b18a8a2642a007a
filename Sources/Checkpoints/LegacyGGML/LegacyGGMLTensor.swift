import Kernels
import Tensors

// swift-format-ignore: AlwaysUseLowerCamelCase
/// The blocks of 32 elements before version 3 of `ggjt`, numbered as in the file.
enum LegacyGGMLBlock: UInt32, Sendable, CaseIterable {
  case q4_0 = 2
  case q4_1 = 3
  case q5_0 = 6
  case q5_1 = 7
  case q8_0 = 8

  /// Elements of a block.
  static let elements = 32

  /// "Q4_0".
  var name: String { String(describing: self).uppercased() }

  /// Bytes of a block.
  var bytes: Int {
    switch self {
    case .q4_0: 20
    case .q4_1, .q5_1: 24
    case .q5_0: 22
    case .q8_0: 36
    }
  }

  /// Where scale, minimum, fifth bits and codes begin.
  private var codesStart: Int {
    switch self {
    case .q4_0, .q8_0: 4
    case .q4_1, .q5_1: 8
    case .q5_0: 6
    }
  }

  /// Decodes one block; `output` has room for 32 elements.
  func decode(_ block: UnsafeRawBufferPointer, pairsNeighbours: Bool, to output: UnsafeMutablePointer<Float>) {
    let (scale, minimum) = scales(block)
    guard self != .q8_0 else {
      for index in 0..<32 { output[index] = Float(Int8(bitPattern: block[codesStart + index])) * scale }
      return
    }
    let fifths = fifths(block)
    for index in 0..<32 {
      let byte = block[codesStart + (pairsNeighbours ? index / 2 : index % 16)]
      let isHigh = pairsNeighbours ? index % 2 == 1 : index >= 16
      let code = Int(isHigh ? byte >> 4 : byte & 15) + Int(fifths >> UInt32(index) & 1) * 16
      switch self {
      case .q4_0: output[index] = Float(code - 8) * scale
      case .q5_0: output[index] = Float(code - 16) * scale
      case .q4_1, .q5_1, .q8_0: output[index] = Float(code) * scale + minimum
      }
    }
  }

  private func scales(_ block: UnsafeRawBufferPointer) -> (scale: Float, minimum: Float) {
    func single(_ start: Int) -> Float {
      Float(bitPattern: UInt32(littleEndian: block.loadUnaligned(fromByteOffset: start, as: UInt32.self)))
    }
    func half(_ start: Int) -> Float {
      halfToFloat(UInt16(littleEndian: block.loadUnaligned(fromByteOffset: start, as: UInt16.self)))
    }
    return switch self {
    case .q4_0, .q8_0: (single(0), 0)
    case .q4_1: (single(0), single(4))
    case .q5_0: (half(0), 0)
    case .q5_1: (half(0), half(2))
    }
  }

  private func fifths(_ block: UnsafeRawBufferPointer) -> UInt32 {
    guard self == .q5_0 || self == .q5_1 else { return 0 }
    return UInt32(littleEndian: block.loadUnaligned(fromByteOffset: codesStart - 4, as: UInt32.self))
  }
}

/// A tensor of such blocks.
struct LegacyGGMLTensor: MappedTensor {
  let name: String
  let shape: [Int]
  let block: LegacyGGMLBlock
  /// Whether neighbouring elements share a byte of nibbles.
  let pairsNeighbours: Bool
  let file: MappedFile
  let range: Range<Int>

  var storage: Storage { .quantized(block.name) }

  func read(_ elements: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= count, "elements outside the tensor")
    precondition(output.count == elements.count, "the output holds exactly the elements that are read")
    let size = LegacyGGMLBlock.elements
    withUnsafeTemporaryAllocation(of: Float.self, capacity: size) { whole in
      guard let start = whole.baseAddress else { return }
      var position = elements.lowerBound
      while position < elements.upperBound {
        let (index, skipped) = position.quotientAndRemainder(dividingBy: size)
        let taken = min(size - skipped, elements.upperBound - position)
        let first = range.lowerBound + index * block.bytes
        file.withBytes(first..<first + block.bytes) { block.decode($0, pairsNeighbours: pairsNeighbours, to: start) }
        for offset in 0..<taken { output[position - elements.lowerBound + offset] = whole[skipped + offset] }
        position += taken
      }
    }
  }
}
