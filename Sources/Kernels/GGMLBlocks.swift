import CKernels

// swift-format-ignore: AlwaysUseLowerCamelCase
/// ggml's block types that have a decoder: 32 elements each, with one f16 scale and, in the `_1` types, an f16 minimum.
public enum GGMLBlock: String, Sendable, CaseIterable {
  case q4_0 = "Q4_0"
  case q4_1 = "Q4_1"
  case q5_0 = "Q5_0"
  case q5_1 = "Q5_1"
  case q8_0 = "Q8_0"

  /// Elements of a block.
  public static let elements = LMK_GGML_BLOCK

  /// Bytes of a block.
  public var bytes: Int {
    switch self {
    case .q4_0: LMK_Q4_0_BYTES
    case .q4_1: LMK_Q4_1_BYTES
    case .q5_0: LMK_Q5_0_BYTES
    case .q5_1: LMK_Q5_1_BYTES
    case .q8_0: LMK_Q8_0_BYTES
    }
  }
}

/// Decodes whole blocks of `type` to floats, to the bit as ggml's `dequantize_row_*`. The source needs no alignment; the
/// output has room for 32 floats a block.
public func widen(_ type: GGMLBlock, _ source: UnsafeRawPointer, to output: UnsafeMutablePointer<Float>, blocks: Int) {
  switch type {
  case .q4_0: lmk_q4_0_to_f32(source, output, blocks)
  case .q4_1: lmk_q4_1_to_f32(source, output, blocks)
  case .q5_0: lmk_q5_0_to_f32(source, output, blocks)
  case .q5_1: lmk_q5_1_to_f32(source, output, blocks)
  case .q8_0: lmk_q8_0_to_f32(source, output, blocks)
  }
}
