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
    /// Long waves divided by a factor, short ones kept, a ramp between by dimension (Peng et al. 2023).
    case yarn(YarnScaling)
    /// Every frequency divided by a factor of its own, others for long texts than for short ones (Ding et al. 2024).
    case longrope(LongRopeScaling)
  }
  /// θ: the base of the geometric series of frequencies.
  public var base: Double
  /// The stretching.
  public var scaling: Scaling
  /// Elements of each head that are rotated, from the first on; nil for all.
  public var size: Int?

  /// Describes rotary embedding.
  public init(base: Double, scaling: Scaling = .none, size: Int? = nil) {
    self.base = base
    self.scaling = scaling
    self.size = size
  }

  /// Elements of a head that are rotated.
  public func rotated(headSize: Int) -> Int { size ?? headSize }

  /// What cosines and sines are multiplied with.
  public var attentionFactor: Float {
    switch scaling {
    case .none, .linear, .llama3: 1
    case .yarn(let yarn): Float(yarn.attentionFactor)
    case .longrope(let longrope): Float(longrope.attentionFactor)
    }
  }

  /// The angular frequencies of half the rotated elements, in single precision at every step, as `transformers` computes them.
  ///
  /// - Parameter isLong: whether the text is longer than the original context of `longrope`.
  public func frequencies(headSize: Int, isLong: Bool = false) -> [Float] {
    let size = rotated(headSize: headSize)
    let waves = (0..<size / 2).map { Float(pow(base, Double(Float(2 * $0) / Float(size)))) }
    switch scaling {
    case .none: return waves.map { 1 / $0 }
    case .linear(let factor): return waves.map { 1 / $0 / Float(factor) }
    case .llama3: return waves.map { 1 / $0 / llama3Divisor(1 / $0) }
    case .yarn(let yarn): return yarn.frequencies(waves, base: base)
    case .longrope(let longrope):
      return zip(isLong ? longrope.long : longrope.short, waves).map { 1 / (Float($0) * $1) }
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
    return RotarySpec(base: base, size: size).frequencies(headSize: headSize).map(llama3Divisor)
  }
}

/// YaRN: frequencies that turn less than `betaSlow` times within the original context are divided by `factor`, those that turn more
/// than `betaFast` times are kept.
public struct YarnScaling: Sendable, Equatable {
  /// How many times longer the context becomes.
  public var factor: Double
  /// The context before.
  public var originalContext: Int
  /// Turns above which frequencies are kept.
  public var betaFast: Double
  /// Turns below which frequencies are divided.
  public var betaSlow: Double
  /// What cosines and sines are multiplied with.
  public var attentionFactor: Double
  /// Whether the ends of the ramp are whole dimensions.
  public var truncates: Bool

  /// What cosines and sines are usually multiplied with; `weight` is called mscale.
  static func magnitude(factor: Double, weight: Double = 1) -> Double {
    factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1
  }

  /// Frequencies of the waves base^(2i/size), i below size/2.
  func frequencies(_ waves: [Float], base: Double) -> [Float] {
    let size = Double(2 * waves.count)
    func dimension(turns: Double) -> Double {
      size * log(Double(originalContext) / (turns * 2 * Double.pi)) / (2 * log(base))
    }
    var low = dimension(turns: betaFast), high = dimension(turns: betaSlow)
    if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    (low, high) = (max(low, 0), min(high, size - 1))
    if low == high { high += 0.001 }
    return waves.enumerated().map { index, wave in
      let ramp = min(max((Float(index) - Float(low)) / Float(high - low), 0), 1), kept = 1 - ramp
      return 1 / (Float(factor) * wave) * (1 - kept) + 1 / wave * kept
    }
  }
}

/// LongRoPE: a factor for each frequency, for texts within the original context and for longer ones.
public struct LongRopeScaling: Sendable, Equatable {
  /// Divisors of the frequencies of texts of up to `originalContext` tokens.
  public var short: [Double]
  /// Divisors of the frequencies of longer texts.
  public var long: [Double]
  /// The context before.
  public var originalContext: Int
  /// What cosines and sines are multiplied with.
  public var attentionFactor: Double

  /// What cosines and sines are usually multiplied with.
  static func magnitude(factor: Double, original: Int) -> Double {
    factor <= 1 ? 1 : (1 + log(factor) / log(Double(original))).squareRoot()
  }
}

/// ln(x): the platform's, for descriptions that do not import it.
func naturalLogarithm(_ x: Double) -> Double { log(x) }
