/// A deterministic random generator (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>), so that failures repeat.
public struct Noise {
  private var state: UInt64

  /// A generator whose numbers depend on nothing but `seed`.
  public init(_ seed: UInt64) { state = seed }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A float in -1..<1.
  public mutating func float() -> Float { Float(Int64(bitPattern: next()) >> 40) / Float(1 << 23) }

  /// `count` floats in -1..<1.
  public mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in float() } }
}
