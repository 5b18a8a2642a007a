import Tensors

/// A matrix by MLX or compressed-tensors: the codes of each row as one stream of bits, lowest first, a scale for each group of
/// inputs, and a bias (MLX) or a zero.
struct GroupedRowsTensor: MatrixRows {
  let name: String
  /// [outputs, inputs].
  let shape: [Int]
  let bits: Int
  let codes, scales: PlainTensor
  let groups: InputGroups
  /// [outputs, groups], of MLX: code * scale + bias.
  let biases: PlainTensor?
  /// [outputs / codes in a word, groups], of compressed-tensors: (code - zero) * scale. Without it, and without biases, the zero is half
  /// of the range.
  let zeros: PlainTensor?

  var storage: Storage { .quantized(biases == nil ? "packed \(bits)-bit" : "MLX \(bits)-bit") }
  var parts: [PlainTensor] { [codes, scales] + [biases, zeros].compactMap { $0 } }

  /// MLX.
  init(
    mlx name: String, bits: Int, groupSize: Int, codes: PlainTensor, scales: PlainTensor, biases: PlainTensor
  ) throws(LMToolError) {
    guard codes.shape.count == 2, codes.shape[1] <= Int.max / 32, codes.shape[1] * 32 % bits == 0 else {
      throw codes.refuse("codes have the shape \(codes.shape), not [outputs, inputs * \(bits) / 32]", rule: 2)
    }
    let outputs = codes.shape[0], inputs = codes.shape[1] * 32 / bits, groups = InputGroups(inputs: inputs, size: groupSize)
    try codes.check(.words, codes.shape)
    try scales.check(.scales, [outputs, groups.count])
    try biases.check(.scales, [outputs, groups.count])
    self.name = name
    shape = [outputs, inputs]
    self.bits = bits
    (self.codes, self.scales, self.groups) = (codes, scales, groups)
    self.biases = biases
    zeros = nil
  }

  /// compressed-tensors; `inputs` is what its `weight_shape` says.
  init(
    packed name: String, inputs: Int, codes: PlainTensor, scales: PlainTensor, zeros: PlainTensor?, index: PlainTensor?
  ) throws(LMToolError) {
    guard codes.shape.count == 2, scales.shape.count == 2, inputs > 0,
      let bits = [4, 8].first(where: { (inputs + 32 / $0 - 1) / (32 / $0) == codes.shape[1] }), scales.shape[1] > 0,
      scales.shape[1] == 1 || inputs % scales.shape[1] == 0
    else {
      throw codes.refuse("codes of the shape \(codes.shape) are none of 4 or 8 bits for \(inputs) inputs", rule: 2)
    }
    let outputs = codes.shape[0], groups = InputGroups(inputs: inputs, size: inputs / scales.shape[1])
    try codes.check(.words, codes.shape)
    try scales.check(.scales, [outputs, groups.count])
    try zeros?.check(.words, [(outputs + 32 / bits - 1) / (32 / bits), groups.count])
    self.name = name
    shape = [outputs, inputs]
    self.bits = bits
    (self.codes, self.scales, self.zeros) = (codes, scales, zeros)
    self.groups = try index.map { (index) throws(LMToolError) in try InputGroups(groups, index: index, inputs: inputs) } ?? groups
    biases = nil
  }

  func decode(rows: Range<Int>, to output: UnsafeMutablePointer<Float>) throws(LMToolError) {
    let inputs = shape[1], width = groups.count, bytes = 4 * codes.shape[1]
    for (index, row) in rows.enumerated() {
      let ranges = row * width..<(row + 1) * width
      let scales = try scales.floats(ranges), biases = try biases?.floats(ranges), zeros = zeros(row)
      codes.withBytes { all in
        let stream = UnsafeRawBufferPointer(rebasing: all[row * bytes..<(row + 1) * bytes])
        for input in 0..<inputs {
          let group = groups.group(input), code = code(input, in: stream)
          output[index * inputs + input] =
            if let biases { Float(code) * scales[group] + biases[group] } else { Float(code - zeros[group]) * scales[group] }
        }
      }
    }
  }

  /// The code of an input: codes of 3, 5 or 6 bits may begin in one byte and end in the next.
  @inline(__always)
  private func code(_ input: Int, in stream: UnsafeRawBufferPointer) -> Int {
    let (byte, shift) = (input * bits).quotientAndRemainder(dividingBy: 8)
    let next = shift + bits > 8 ? Int(stream[byte + 1]) << 8 : 0
    return (Int(stream[byte]) | next) >> shift & (1 << bits - 1)
  }

  private func zeros(_ row: Int) -> [Int] {
    guard let zeros else { return Array(repeating: 1 << (bits - 1), count: groups.count) }
    let inWord = 32 / bits, mask: UInt32 = bits == 8 ? 255 : 15
    return zeros.withBytes { words in
      (0..<groups.count).map { Int(words.word(row / inWord * groups.count + $0) >> UInt32(row % inWord * bits) & mask) }
    }
  }
}
