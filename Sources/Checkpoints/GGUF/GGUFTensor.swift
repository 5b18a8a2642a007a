import Kernels
import Tensors

/// A tensor of a GGUF file.
public struct GGUFTensor: MappedTensor {
  /// The name in the file.
  public let name: String
  /// Dimensions, outermost first: the reverse of the order in the file.
  public let shape: [Int]
  /// The element type.
  public let type: GGMLType
  /// The file that holds the elements.
  public let file: MappedFile
  /// Where in `file` the elements are.
  public let range: Range<Int>

  /// A tensor at `range` of `file`, which has been checked against the file, the shape and the type.
  init(name: String, shape: [Int], type: GGMLType, file: MappedFile, range: Range<Int>) {
    self.name = name
    self.shape = shape
    self.type = type
    self.file = file
    self.range = range
  }

  /// How the elements are stored.
  public var storage: Storage { type.plain.map { .plain($0) } ?? .quantized(type.name) }

  /// Converts elements to floats; see GGUF-14.
  ///
  /// - Throws: `badInput` when the type has no decoder.
  public func read(_ elements: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= count, "elements outside the tensor")
    precondition(output.count == elements.count, "the output holds exactly the elements that are read")
    if let dtype = type.plain {
      try PlainTensor(name: name, shape: shape, dtype: dtype, file: file, range: range).read(elements, into: output)
    } else if let decoder = type.decoder {
      readBlocks(decoder, elements, into: output)
    } else {
      throw LMToolError(
        .badInput, "\(type.name) is not supported yet; requantize the model to Q8_0 or convert it to F16",
        file: file.path, at: .tensor(name), rule: "GGUF-14")
    }
  }

  /// Decodes the blocks that lie within `elements` in place, and those at its ends by way of a block of their own.
  private func readBlocks(_ block: GGMLDecoder, _ elements: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) {
    var position = elements.lowerBound
    while position < elements.upperBound, let base = output.baseAddress {
      let (index, skipped) = position.quotientAndRemainder(dividingBy: block.elements)
      let target = base + (position - elements.lowerBound)
      let left = elements.upperBound - position
      if skipped == 0 && left >= block.elements {
        let blocks = left / block.elements
        decode(block, index, blocks, to: target)
        position += blocks * block.elements
      } else {
        let taken = min(block.elements - skipped, left)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: block.elements) { whole in
          guard let start = whole.baseAddress else { return }
          decode(block, index, 1, to: start)
          target.update(from: start + skipped, count: taken)
        }
        position += taken
      }
    }
  }

  private func decode(_ block: GGMLDecoder, _ first: Int, _ blocks: Int, to output: UnsafeMutablePointer<Float>) {
    let start = range.lowerBound + first * block.bytes
    file.withBytes(start..<(start + blocks * block.bytes)) { bytes in
      if let source = bytes.baseAddress { block.decode(source, to: output, blocks: blocks) }
    }
  }
}
