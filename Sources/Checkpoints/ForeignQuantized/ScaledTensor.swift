import Tensors

/// A matrix of small floats or integers with scales: one for all, one for each output, or one for each block.
struct ScaledTensor: MatrixRows {
  let name: String
  let codes, scales: PlainTensor
  /// Outputs and inputs of a block.
  private let block: (outputs: Int, inputs: Int)
  /// What all elements are multiplied with besides.
  private let factor: Float

  var shape: [Int] { codes.shape }
  var storage: Storage { .quantized("\(codes.dtype.rawValue) scaled") }
  var parts: [PlainTensor] { [codes, scales] }

  /// - Parameter blockSize: outputs and inputs of a block, where there are blocks.
  init(name: String, codes: PlainTensor, scales: PlainTensor, blockSize: [Int]?, factor: Float = 1) throws(LMToolError) {
    guard [.f8e4m3, .f8e5m2, .i8].contains(codes.dtype), codes.shape.count == 2, codes.shape[0] > 0, codes.shape[1] > 0 else {
      throw codes.refuse(
        "it is \(codes.dtype.rawValue) of the shape \(codes.shape), but codes are matrices of F8_E4M3, F8_E5M2 or I8", rule: 2)
    }
    let (outputs, inputs) = (codes.shape[0], codes.shape[1])
    let isFloat = [DType].scales.contains(scales.dtype)
    func rounded(_ count: Int, _ size: Int) -> Int { (count - 1) / size + 1 }
    if isFloat, scales.count == 1 {
      block = (outputs, inputs)
    } else if isFloat, scales.count == outputs, scales.shape.first == outputs {
      block = (1, inputs)
    } else if isFloat, let blockSize, blockSize.count == 2, blockSize[0] > 0, blockSize[1] > 0,
      scales.shape == [rounded(outputs, blockSize[0]), rounded(inputs, blockSize[1])]
    {
      block = (blockSize[0], blockSize[1])
    } else {
      throw scales.refuse(
        "it is \(scales.dtype.rawValue) of the shape \(scales.shape), which are no scales of a matrix \(codes.shape)", rule: 2)
    }
    self.name = name
    self.codes = codes
    self.scales = scales
    self.factor = factor
  }

  func decode(rows: Range<Int>, to output: UnsafeMutablePointer<Float>) throws(LMToolError) {
    let inputs = shape[1], width = (inputs - 1) / block.inputs + 1
    try codes.read(
      rows.lowerBound * inputs..<rows.upperBound * inputs,
      into: UnsafeMutableBufferPointer(start: output, count: rows.count * inputs))
    for (index, row) in rows.enumerated() {
      let start = row / block.outputs * width
      let scales = try scales.floats(start..<start + width)
      let line = output + index * inputs
      for (number, scale) in scales.enumerated() {
        for input in number * block.inputs..<min((number + 1) * block.inputs, inputs) {
          line[input] = line[input] * scale * factor
        }
      }
    }
  }
}
