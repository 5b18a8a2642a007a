import Tensors

/// The values of the 256 bit patterns of an 8-bit float, after "FP8 Formats for Deep Learning" (Micikevicius et al. 2022).
struct Float8Table: Sendable {
  private let values: [Float]

  /// 4 bits of exponent with bias 7; all bits of exponent and mantissa set are NaN, and there is no infinity.
  static let e4m3 = Float8Table(mantissaBits: 3, bias: 7) { exponent, mantissa in
    exponent == 15 && mantissa == 7 ? .nan : nil
  }

  /// 5 bits of exponent with bias 15, infinities and NaN as in IEEE 754.
  static let e5m2 = Float8Table(mantissaBits: 2, bias: 15) { exponent, mantissa in
    exponent < 31 ? nil : mantissa == 0 ? .infinity : .nan
  }

  private init(mantissaBits: Int, bias: Int, special: (Int, Int) -> Float?) {
    values = (0..<256).map { bits in
      let exponent = (bits & 127) >> mantissaBits, mantissa = bits & ((1 << mantissaBits) - 1)
      let hidden = exponent == 0 ? 0 : 1 << mantissaBits
      // The mantissa is a whole number below 16, so that every step is exact.
      let scale = Float(sign: .plus, exponent: max(exponent, 1) - bias - mantissaBits, significand: 1)
      let magnitude = special(exponent, mantissa) ?? Float(hidden + mantissa) * scale
      return bits < 128 ? magnitude : -magnitude
    }
  }

  /// Converts bytes to floats; `output` has room for all of them.
  func widen(_ source: UnsafeRawBufferPointer, to output: UnsafeMutablePointer<Float>) {
    values.withUnsafeBufferPointer { table in
      for index in 0..<source.count { output[index] = table[Int(source[index])] }
    }
  }
}
