import Models
import Quantization

/// What bytes are worth in rate mode, for what must be decided before anything is quantized.
struct RatePrice {
  /// Bits of the file for a weight.
  let bits: Double
  /// Nats of KL that a model loses at so many bits, about.
  let loss: Double
  /// Nats that a byte more wins back.
  let byte: Double

  /// Nats of KL that SmolLM2-135M loses at 2.38 bits a weight, and the factor by which a bit less multiplies them.
  private static let usualLoss = (nats: 0.25, bits: 2.38, factor: 3.4)

  /// Of a model in a file of `budget` bytes.
  init(_ source: ModelSource, budget: Int) {
    let parameters = Double(max(1, source.parameterCount)), doublings = BinaryLogarithm.approximate(Self.usualLoss.factor)
    bits = Double(8 * budget) / parameters
    loss = Self.usualLoss.nats * BinaryLogarithm.power((Self.usualLoss.bits - bits) * doublings)
    byte = loss * doublings * ln2 * 8 / parameters
  }

  /// A number of nats, as text.
  static func text(_ nats: Double) -> String { decimals(nats, 4) }
}
