import Quantization
import Tensors

/// The matrices that are quantized so far, what they cost, and the level at which the next ones are quantized.
final class RateAccount {
  /// The step of an output whose sensitivity is 1: the one knob of the whole model.
  var level: Double
  /// Quantizes with the costs of the tables of what came before.
  private(set) var quantizer = RateQuantizer(.standard)
  /// By tensor name.
  private(set) var matrices: [String: RateMatrix] = [:]
  /// By tensor name.
  private(set) var histograms: [String: RateHistogram] = [:]
  private var total = RateHistogram()

  init(level: Double) { self.level = level }

  /// Adds a matrix.
  func add(_ name: String, _ matrix: RateMatrix) throws(LMToolError) {
    let histogram = try RateHistogram(matrix)
    matrices[name] = matrix
    histograms[name] = histogram
    total.add(histogram)
    // Contexts that were never met would make everything but their commonest symbol seem impossible.
    var expected = RateHistogram.standard(count: 4096)
    expected.add(total)
    quantizer = RateQuantizer(RateTables([expected]))
  }

  /// Bytes of the lanes of all matrices so far, with tables made for them.
  var bytes: Int { RateTables([total]).bytes(total) }
}
