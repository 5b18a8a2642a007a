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

// swift-format-ignore: AlwaysUseLowerCamelCase
/// ggml's other block types: k-quants, i-quants, ternary and floating 4-bit codes (`ggml_super_blocks.h`).
public enum GGMLSuperBlock: UInt32, Sendable, CaseIterable {
  case q2_K = 0
  case q3_K = 1
  case q4_K = 2
  case q5_K = 3
  case q6_K = 4
  case q8_K = 5
  case iq1_S = 6
  case iq1_M = 7
  case iq2_XXS = 8
  case iq2_XS = 9
  case iq2_S = 10
  case iq3_XXS = 11
  case iq3_S = 12
  case iq4_NL = 13
  case iq4_XS = 14
  case tq1_0 = 15
  case tq2_0 = 16
  case mxfp4 = 17
  case nvfp4 = 18
  case q1_0 = 19
  case q2_0 = 20

  private var c: lmk_super_block { lmk_super_block(rawValue) }
  /// Elements of a block.
  public var elements: Int { lmk_super_block_elements(c) }
  /// Bytes of a block.
  public var bytes: Int { lmk_super_block_bytes(c) }

  /// Decodes whole blocks to floats, to the bit as ggml's `dequantize_row_*`. The source needs no alignment.
  func decode(_ source: UnsafeRawPointer, to output: UnsafeMutablePointer<Float>, blocks: Int) {
    lmk_super_blocks_to_f32(c, source, output, blocks)
  }
}

/// Any block type that has a decoder.
public enum GGMLDecoder: Sendable {
  /// 32 elements with a scale.
  case simple(GGMLBlock)
  /// All others.
  case large(GGMLSuperBlock)

  /// Elements of a block.
  public var elements: Int {
    switch self {
    case .simple: GGMLBlock.elements
    case .large(let block): block.elements
    }
  }

  /// Bytes of a block.
  public var bytes: Int {
    switch self {
    case .simple(let block): block.bytes
    case .large(let block): block.bytes
    }
  }

  /// Decodes whole blocks to floats; the output has room for `elements` floats a block.
  public func decode(_ source: UnsafeRawPointer, to output: UnsafeMutablePointer<Float>, blocks: Int) {
    switch self {
    case .simple(let block): widen(block, source, to: output, blocks: blocks)
    case .large(let block): block.decode(source, to: output, blocks: blocks)
    }
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
/// The k-quants that have an encoder (`ggml_k_encode.h`).
public enum GGMLEncoder: Sendable, CaseIterable {
  case q4_K
  case q6_K

  /// The block type.
  public var block: GGMLSuperBlock {
    switch self {
    case .q4_K: .q4_K
    case .q6_K: .q6_K
    }
  }

  /// Encodes whole blocks of 256 floats; the output has room for the bytes of as many blocks.
  public func encode(_ floats: UnsafePointer<Float>, blocks: Int, to output: UnsafeMutableRawPointer) {
    switch self {
    case .q4_K: lmk_encode_q4_k(floats, blocks, output)
    case .q6_K: lmk_encode_q6_k(floats, blocks, output)
    }
  }
}
