import Tensors

/// A matrix by MLX in one of its modes of small floats: codes of 4 or 8 bits in words, lowest first, and a scale of 8 bits for each
/// group of inputs. Every product is exact.
struct MicroscaledTensor: MatrixRows {
  /// What codes and scales are, after "OCP Microscaling Formats (MX) Specification" version 1.0, and NVIDIA's NVFP4.
  enum Mode: String {
    case mxfp4, mxfp8, nvfp4

    var bits: Int { self == .mxfp8 ? 8 : 4 }
    var groupSize: Int { self == .nvfp4 ? 16 : 32 }
  }

  let name: String
  /// [outputs, inputs].
  let shape: [Int]
  let mode: Mode
  /// [outputs, inputs * bits / 32] words, [outputs, groups] bytes.
  let codes, scales: PlainTensor

  var storage: Storage { .quantized("MLX \(mode.rawValue)") }
  var parts: [PlainTensor] { [codes, scales] }

  init(name: String, mode: Mode, codes: PlainTensor, scales: PlainTensor) throws(LMToolError) {
    let inWord = 32 / mode.bits
    guard codes.shape.count == 2, case (let inputs, false) = codes.shape[1].multipliedReportingOverflow(by: inWord),
      inputs % mode.groupSize == 0
    else { throw codes.refuse("codes have the shape \(codes.shape), not [outputs, inputs / \(inWord)]", rule: 2) }
    try codes.check(.words, codes.shape)
    try scales.check([.u8], [codes.shape[0], inputs / mode.groupSize])
    self.name = name
    shape = [codes.shape[0], inputs]
    self.mode = mode
    (self.codes, self.scales) = (codes, scales)
  }

  /// Sign, two bits of exponent with bias 1, one of mantissa (E2M1).
  private static let fourBits: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]

  func decode(rows: Range<Int>, to output: UnsafeMutablePointer<Float>) throws(LMToolError) {
    let inputs = shape[1], bytes = 4 * codes.shape[1], width = scales.shape[1]
    for (index, row) in rows.enumerated() {
      let line = output + index * inputs
      codes.withBytes { all in
        let stream = UnsafeRawBufferPointer(rebasing: all[row * bytes..<(row + 1) * bytes])
        switch mode {
        case .mxfp8: Float8Table.e4m3.widen(stream, to: line)
        case .mxfp4, .nvfp4:
          for input in 0..<inputs { line[input] = Self.fourBits[Int(stream[input / 2] >> (input % 2 * 4) & 15)] }
        }
      }
      let factors = scales.withBytes { scaleBytes in
        self.factors(UnsafeRawBufferPointer(rebasing: scaleBytes[row * width..<(row + 1) * width]))
      }
      for input in 0..<inputs { line[input] *= factors[input / mode.groupSize] }
    }
  }

  /// Scales are 8-bit floats in NVFP4, else exponents with the bias 127, 255 being NaN (E8M0).
  private func factors(_ bytes: UnsafeRawBufferPointer) -> [Float] {
    guard mode == .nvfp4 else {
      return bytes.map { $0 == 255 ? .nan : Float(sign: .plus, exponent: Int($0) - 127, significand: 1) }
    }
    return [Float](unsafeUninitializedCapacity: bytes.count) { buffer, count in
      if let start = buffer.baseAddress { Float8Table.e4m3.widen(bytes, to: start) }
      count = bytes.count
    }
  }
}
