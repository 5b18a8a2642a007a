import Kernels
import Tensors

// swift-format-ignore: AlwaysUseLowerCamelCase
/// The element types of GGUF tensors, numbered as `enum ggml_type` in ggml.h. Numbers that are missing were removed from the
/// format.
///
/// Cases keep ggml's names; `name` has them in capitals.
public enum GGMLType: UInt32, Sendable, CaseIterable {
  case f32 = 0
  case f16 = 1
  case q4_0 = 2
  case q4_1 = 3
  case q5_0 = 6
  case q5_1 = 7
  case q8_0 = 8
  case q8_1 = 9
  case q2_K = 10
  case q3_K = 11
  case q4_K = 12
  case q5_K = 13
  case q6_K = 14
  case q8_K = 15
  case iq2_XXS = 16
  case iq2_XS = 17
  case iq3_XXS = 18
  case iq1_S = 19
  case iq4_NL = 20
  case iq3_S = 21
  case iq2_S = 22
  case iq4_XS = 23
  case i8 = 24
  case i16 = 25
  case i32 = 26
  case i64 = 27
  case f64 = 28
  case iq1_M = 29
  case bf16 = 30
  case tq1_0 = 34
  case tq2_0 = 35
  case mxfp4 = 39
  case nvfp4 = 40
  case q1_0 = 41
  case q2_0 = 42

  /// ggml's name: "F16", "Q4_0", "Q4_K", "IQ2_XXS".
  public var name: String { String(describing: self).uppercased() }

  /// Elements of a block; 1 for plain types.
  public var blockSize: Int {
    switch self {
    case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64: 1
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q8_1, .iq4_NL, .mxfp4: 32
    case .nvfp4, .q2_0: 64
    case .q1_0: 128
    case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .q8_K, .iq2_XXS, .iq2_XS, .iq3_XXS, .iq1_S, .iq3_S, .iq2_S, .iq4_XS, .iq1_M,
      .tq1_0, .tq2_0:
      256
    }
  }

  /// Bytes of a block: the sizes of the `block_*` structures in ggml-common.h.
  public var bytesPerBlock: Int {
    switch self {
    case .i8: 1
    case .f16, .bf16, .i16: 2
    case .f32, .i32: 4
    case .f64, .i64: 8
    case .mxfp4: 17
    case .q4_0, .iq4_NL, .q1_0, .q2_0: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q8_0: 34
    case .q8_1, .nvfp4: 36
    case .iq1_S: 50
    case .tq1_0: 54
    case .iq1_M: 56
    case .iq2_XXS, .tq2_0: 66
    case .iq2_XS: 74
    case .iq2_S: 82
    case .q2_K: 84
    case .iq3_XXS: 98
    case .q3_K, .iq3_S: 110
    case .iq4_XS: 136
    case .q4_K: 144
    case .q5_K: 176
    case .q6_K: 210
    case .q8_K: 292
    }
  }

  /// The plain element type, for the types without blocks.
  public var plain: DType? {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .f64: .f64
    case .i8: .i8
    case .i16: .i16
    case .i32: .i32
    case .i64: .i64
    default: nil
    }
  }

  /// The decoder of the block types that have one: all but Q8_1, which llama.cpp writes to no file.
  var decoder: GGMLDecoder? {
    switch self {
    case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64, .q8_1: nil
    case .q4_0: .simple(.q4_0)
    case .q4_1: .simple(.q4_1)
    case .q5_0: .simple(.q5_0)
    case .q5_1: .simple(.q5_1)
    case .q8_0: .simple(.q8_0)
    case .q2_K: .large(.q2_K)
    case .q3_K: .large(.q3_K)
    case .q4_K: .large(.q4_K)
    case .q5_K: .large(.q5_K)
    case .q6_K: .large(.q6_K)
    case .q8_K: .large(.q8_K)
    case .iq1_S: .large(.iq1_S)
    case .iq1_M: .large(.iq1_M)
    case .iq2_XXS: .large(.iq2_XXS)
    case .iq2_XS: .large(.iq2_XS)
    case .iq2_S: .large(.iq2_S)
    case .iq3_XXS: .large(.iq3_XXS)
    case .iq3_S: .large(.iq3_S)
    case .iq4_NL: .large(.iq4_NL)
    case .iq4_XS: .large(.iq4_XS)
    case .tq1_0: .large(.tq1_0)
    case .tq2_0: .large(.tq2_0)
    case .mxfp4: .large(.mxfp4)
    case .nvfp4: .large(.nvfp4)
    case .q1_0: .large(.q1_0)
    case .q2_0: .large(.q2_0)
    }
  }

  /// Whether tensors of this type can be read as floats.
  public var isReadable: Bool { plain != nil || decoder != nil }

  /// Bytes of a tensor of `shape` (outermost first); nil when the last dimension is not a multiple of the block, a
  /// dimension is negative, or the size overflows.
  public func byteCount(_ shape: [Int]) -> Int? {
    guard let count = elementCount(shape), (shape.last ?? 1) % blockSize == 0 else { return nil }
    let (bytes, overflow) = (count / blockSize).multipliedReportingOverflow(by: bytesPerBlock)
    return overflow ? nil : bytes
  }
}
