#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Rotary position embedding (Su et al. 2021) in the "half" order of Hugging Face: pairs (i, i + size/2).
public struct RotarySpec: Sendable, Equatable {
  /// How the frequencies are stretched for longer contexts.
  public enum Scaling: Sendable, Equatable {
    case none
    /// All frequencies divided by `factor` (Chen et al. 2023).
    case linear(factor: Double)
    /// Llama 3.1: long waves divided by `factor`, short ones kept, a ramp between.
    case llama3(factor: Double, lowFrequency: Double, highFrequency: Double, originalContext: Int)
  }
  /// θ: the base of the geometric series of frequencies.
  public var base: Double
  /// The stretching.
  public var scaling: Scaling

  /// Describes rotary embedding.
  public init(base: Double, scaling: Scaling = .none) {
    self.base = base
    self.scaling = scaling
  }

  /// The size/2 angular frequencies, in single precision at every step, as `transformers` computes them.
  public func frequencies(headSize: Int) -> [Float] {
    (0..<headSize / 2).map { index in
      let exponent = Float(2 * index) / Float(headSize)
      let frequency = 1 / Float(pow(base, Double(exponent)))
      return scaled(frequency)
    }
  }

  private func scaled(_ frequency: Float) -> Float {
    switch scaling {
    case .none: frequency
    case .linear(let factor): frequency / Float(factor)
    case .llama3: frequency / llama3Divisor(frequency)
    }
  }

  /// What a frequency is divided by under Llama 3 scaling: 1 for short waves, `factor` for long ones.
  private func llama3Divisor(_ frequency: Float) -> Float {
    guard case .llama3(let factor, let low, let high, let original) = scaling else { return 1 }
    let wavelength = 2 * Float.pi / frequency
    if wavelength < Float(original) / Float(high) { return 1 }
    if wavelength > Float(original) / Float(low) { return Float(factor) }
    let smooth = (Float(original) / wavelength - Float(low)) / Float(high - low)
    return 1 / ((1 - smooth) / Float(factor) + smooth)
  }

  /// The divisors of all frequencies: the tensor `rope_freqs.weight` of GGUF files. Nil when nothing depends on the wave.
  public func divisors(headSize: Int) -> [Float]? {
    guard case .llama3 = scaling else { return nil }
    let plain = RotarySpec(base: base).frequencies(headSize: headSize)
    return plain.map(llama3Divisor)
  }
}
