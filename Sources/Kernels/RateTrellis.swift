import CKernels

/// The trellis that says which values follow each other in a lane (`formats/rate.md`, RATE-1). The more states, the smaller the error at
/// the same size, and the longer it takes to choose indices; decoding is as fast.
public enum RateTrellis: UInt8, CaseIterable, Sendable {
  /// That of dependent quantization in H.266.
  case states8
  /// The codes of Ungerboeck (1982) for amplitudes, of more and more states.
  case states16, states32, states64, states128, states256

  /// States; the first is 0, and odd states have the odd values.
  public var states: Int { Int(lmk_rans_states(Int32(rawValue))) }
}
