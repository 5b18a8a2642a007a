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

  /// What is wrong with asking for the instruction set `name`; nil when this processor has it.
  public static func objection(to name: String) -> String? {
    let names = allCases.filter(\.isAvailable).map { "\($0)" }
    if names.contains(name) { return nil }
    let isKnown = allCases.contains { "\($0)" == name }
    return "LMTOOL_ISA names \(name), which \(isKnown ? "this processor lacks" : "is no instruction set"); here it can be "
      + names.dropLast().joined(separator: ", ") + (names.count > 1 ? " or " : "") + names[names.count - 1]
  }

  /// Whether this processor has it.
  public var isAvailable: Bool { lmk_isa_available(lmk_isa(UInt32(rawValue))) != 0 }

  /// Uses it from now on; false when the processor lacks it. For tests.
  @discardableResult public func force() -> Bool { lmk_isa_force(lmk_isa(UInt32(rawValue))) != 0 }
}
