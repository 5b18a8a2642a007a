import Tensors

/// A matrix of llama2.c version 2: 8-bit codes, then one 32-bit scale for each group of consecutive elements in row-major
/// order. Element = code * scale.
public struct GroupedInt8Tensor: MappedTensor {
  /// The name in Meta's manner.
  public let name: String
  /// Dimensions, outermost first.
  public let shape: [Int]
  /// Elements for each scale; divides the number of elements.
  public let groupSize: Int
  /// The file that holds the elements.
  public let file: MappedFile
  /// Where in `file` the codes and, after them, the scales are.
  public let range: Range<Int>

  /// A matrix that at `range` of `file`, which has been checked to hold it.
  init(name: String, shape: [Int], groupSize: Int, file: MappedFile, range: Range<Int>) {
    self.name = name
    self.shape = shape
    self.groupSize = groupSize
    self.file = file
    self.range = range
  }

  /// How the elements are stored.
  public var storage: Storage { .quantized("int8-g\(groupSize)") }

  /// Converts elements to floats.
  ///
  /// - Throws: `badInput` when a scale is negative or not finite, rule LLAMA2C-7.
  public func read(_ elements: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= count, "elements outside the tensor")
    precondition(output.count == elements.count, "the output holds exactly the elements that are read")
    var position = elements.lowerBound
    while position < elements.upperBound, let base = output.baseAddress {
      let group = position / groupSize
      let end = min((group + 1) * groupSize, elements.upperBound)
      multiply(position..<end, by: try scale(group), to: base + (position - elements.lowerBound))
      position = end
    }
  }

  private func scale(_ group: Int) throws(LMToolError) -> Float {
    let start = range.lowerBound + count + 4 * group
    let scale = file.withBytes(start..<(start + 4)) {
      Float(bitPattern: UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)))
    }
    guard scale.isFinite, scale >= 0 else {
      throw LMToolError(
        .badInput, "the scale at offset \(start) is \(scale); export the model again with the export.py of today",
        file: file.path, at: .tensor(name), rule: "LLAMA2C-7")
    }
    return scale
  }

  private func multiply(_ elements: Range<Int>, by scale: Float, to output: UnsafeMutablePointer<Float>) {
    file.withBytes((range.lowerBound + elements.lowerBound)..<(range.lowerBound + elements.upperBound)) { bytes in
      for index in 0..<bytes.count { output[index] = Float(Int8(bitPattern: bytes[index])) * scale }
    }
  }
}
