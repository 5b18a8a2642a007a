import CKernels

/// Converts `count` f16 values at any address to floats.
public func widen(f16 source: UnsafeRawPointer, to output: UnsafeMutablePointer<Float>, count: Int) {
  lmk_f16_to_f32(source, output, count)
}

/// Converts `count` bf16 values at any address to floats.
public func widen(bf16 source: UnsafeRawPointer, to output: UnsafeMutablePointer<Float>, count: Int) {
  lmk_bf16_to_f32(source, output, count)
}

/// Rounds `count` floats to f16, to nearest, ties to even; values of 65520 and more become infinity.
public func narrow(_ source: UnsafePointer<Float>, toF16 output: UnsafeMutableRawPointer, count: Int) {
  lmk_f32_to_f16(source, output, count)
}

/// Rounds `count` floats to bf16, to nearest, ties to even.
public func narrow(_ source: UnsafePointer<Float>, toBF16 output: UnsafeMutableRawPointer, count: Int) {
  lmk_f32_to_bf16(source, output, count)
}

/// The value of one f16.
public func halfToFloat(_ bits: UInt16) -> Float { lmk_f16_to_f32_one(bits) }

/// One float rounded to f16.
public func floatToHalf(_ value: Float) -> UInt16 { lmk_f32_to_f16_one(value) }
