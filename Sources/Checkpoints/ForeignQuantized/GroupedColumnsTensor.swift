import Tensors

/// A matrix by GPTQ or AWQ: words of codes with the outputs side by side, a scale and a zero for each group of inputs and each output.
struct GroupedColumnsTensor: MatrixRows {
  /// How codes lie in words.
  enum Packing: Sendable {
    /// GPTQ: a word holds the codes of neighbouring inputs.
    case inputs(bits: Int)
    /// AWQ: a word holds the codes of 8 neighbouring outputs, in the order 0 2 4 6 1 3 5 7.
    case outputs
  }

  let name: String
  /// [outputs, inputs].
  let shape: [Int]
  let packing: Packing
  let codes, zeros, scales: PlainTensor
  let groups: InputGroups
  /// What is added to the stored zeros.
  let zeroOffset: UInt32

  /// The place of output k in a word of AWQ.
  private static let order: [UInt32] = [0, 4, 1, 5, 2, 6, 3, 7]

  var storage: Storage {
    switch packing {
    case .inputs(let bits): .quantized("GPTQ \(bits)-bit")
    case .outputs: .quantized("AWQ 4-bit")
    }
  }
  var parts: [PlainTensor] { [codes, zeros, scales] }

  /// GPTQ.
  init(
    gptq name: String, bits: Int, groupSize: Int, codes: PlainTensor, zeros: PlainTensor, scales: PlainTensor,
    index: PlainTensor?, zeroOffset: UInt32
  ) throws(LMToolError) {
    let inWord = 32 / bits
    guard codes.shape.count == 2, case (let inputs, false) = codes.shape[0].multipliedReportingOverflow(by: inWord) else {
      throw codes.refuse("codes have the shape \(codes.shape), not [inputs / \(inWord), outputs]", rule: 2)
    }
    let outputs = codes.shape[1], groups = InputGroups(inputs: inputs, size: groupSize)
    try codes.check(.words, [inputs / inWord, outputs])
    try zeros.check(.words, [groups.count, (outputs + inWord - 1) / inWord])
    try scales.check(.scales, [groups.count, outputs])
    self.name = name
    shape = [outputs, inputs]
    packing = .inputs(bits: bits)
    (self.codes, self.zeros, self.scales) = (codes, zeros, scales)
    self.groups = try index.map { (index) throws(LMToolError) in try InputGroups(groups, index: index, inputs: inputs) } ?? groups
    self.zeroOffset = zeroOffset
  }

  /// AWQ.
  init(
    awq name: String, groupSize: Int, codes: PlainTensor, zeros: PlainTensor, scales: PlainTensor
  ) throws(LMToolError) {
    guard codes.shape.count == 2, case (let outputs, false) = codes.shape[1].multipliedReportingOverflow(by: 8) else {
      throw codes.refuse("codes have the shape \(codes.shape), not [inputs, outputs / 8]", rule: 2)
    }
    let inputs = codes.shape[0], groups = InputGroups(inputs: inputs, size: groupSize)
    try codes.check(.words, [inputs, outputs / 8])
    try zeros.check(.words, [groups.count, outputs / 8])
    try scales.check(.scales, [groups.count, outputs])
    self.name = name
    shape = [outputs, inputs]
    packing = .outputs
    (self.codes, self.zeros, self.scales) = (codes, zeros, scales)
    self.groups = groups
    zeroOffset = 0
  }

  func decode(rows: Range<Int>, to output: UnsafeMutablePointer<Float>) throws(LMToolError) {
    let scales = try columns(rows), zeros = zeros(rows)
    codes.withBytes { words in
      switch packing {
      case .inputs(let bits): decodeInputs(words, bits, rows, scales, zeros, output)
      case .outputs: decodeOutputs(words, rows, scales, zeros, output)
      }
    }
  }

  /// The scales of some outputs, group by group.
  private func columns(_ rows: Range<Int>) throws(LMToolError) -> [Float] {
    var all: [Float] = []
    for group in 0..<groups.count {
      let start = group * shape[0]
      all += try scales.floats(start + rows.lowerBound..<start + rows.upperBound)
    }
    return all
  }

  /// The zeros of some outputs, group by group.
  private func zeros(_ rows: Range<Int>) -> [UInt32] {
    zeros.withBytes { words in
      var all: [UInt32] = []
      for group in 0..<groups.count {
        for row in rows { all.append(zero(words, group, row)) }
      }
      return all
    }
  }

  private func zero(_ words: UnsafeRawBufferPointer, _ group: Int, _ row: Int) -> UInt32 {
    let width = zeros.shape[1]
    switch packing {
    case .inputs(let bits):
      let inWord = 32 / bits, mask: UInt32 = bits == 8 ? 255 : (1 << UInt32(bits)) - 1
      let stored = words.word(group * width + row / inWord) >> UInt32(row % inWord * bits)
      return stored & mask + zeroOffset
    case .outputs:
      return words.word(group * width + row / 8) >> (4 * Self.order[row % 8]) & 15
    }
  }

  private func decodeInputs(
    _ words: UnsafeRawBufferPointer, _ bits: Int, _ rows: Range<Int>, _ scales: [Float], _ zeros: [UInt32],
    _ output: UnsafeMutablePointer<Float>
  ) {
    let (outputs, inputs, inWord) = (shape[0], shape[1], 32 / bits)
    let mask: UInt32 = bits == 8 ? 255 : (1 << UInt32(bits)) - 1
    for input in 0..<inputs {
      let start = input / inWord * outputs, shift = UInt32(input % inWord * bits), group = groups.group(input) * rows.count
      for row in 0..<rows.count {
        let code = words.word(start + rows.lowerBound + row) >> shift & mask
        output[row * inputs + input] = Float(Int(code) - Int(zeros[group + row])) * scales[group + row]
      }
    }
  }

  private func decodeOutputs(
    _ words: UnsafeRawBufferPointer, _ rows: Range<Int>, _ scales: [Float], _ zeros: [UInt32],
    _ output: UnsafeMutablePointer<Float>
  ) {
    let inputs = shape[1], width = shape[0] / 8
    for input in 0..<inputs {
      let start = input * width, group = groups.group(input) * rows.count
      for (index, row) in rows.enumerated() {
        let code = words.word(start + row / 8) >> (4 * Self.order[row % 8]) & 15
        output[index * inputs + input] = Float(Int(code) - Int(zeros[group + index])) * scales[group + index]
      }
    }
  }
}
