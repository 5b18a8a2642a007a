import CKernels

/// The instruction set that the kernels run on.
public enum InstructionSet: Int, Sendable, CaseIterable {
  /// Portable C, which defines what the others compute.
  case reference = 0
  /// AVX2 with FMA and F16C.
  case avx2 = 1
  /// AVX-512 F, BW, DQ and VL.
  case avx512 = 2
  /// AVX-512 with products of bytes (AVX512_VNNI).
  case avx512vnni = 3
  /// The same with products of bf16 (AVX512_BF16).
  case avx512bf16 = 4
  /// 64-bit Arm.
  case neon = 5
  /// 64-bit Arm with products of bytes (FEAT_DotProd).
  case dotprod = 6
  /// The same with products of small matrices of bytes (FEAT_I8MM).
  case i8mm = 7

  /// The one in use: the best there is, or what `LMTOOL_ISA` names.
  public static var inUse: InstructionSet { InstructionSet(rawValue: Int(lmk_isa_in_use().rawValue)) ?? .reference }

  /// Whether this processor has it.
  public var isAvailable: Bool { lmk_isa_available(lmk_isa(UInt32(rawValue))) != 0 }

  /// Uses it from now on; false when the processor lacks it. For tests.
  @discardableResult public func force() -> Bool { lmk_isa_force(lmk_isa(UInt32(rawValue))) != 0 }
}
