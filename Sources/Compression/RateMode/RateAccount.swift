import Quantization
import Tensors

/// The matrices that are quantized so far, what they cost, and the level at which the next ones are quantized: the step of an output
/// whose sensitivity is 1, the one knob of the whole model.
///
/// All matrices share one level, so that a byte buys as little anywhere as elsewhere. It follows what the matrices really take: where they
/// take more than was foreseen, what is left gets a little less, and at the end the sum is the budget.
final class RateAccount {
  /// By tensor name.
  private(set) var matrices: [String: RateMatrix] = [:]
  /// By tensor name.
  private(set) var histograms: [String: RateHistogram] = [:]
  /// By tensor name, of what was quantized.
  private(set) var steps: [String: Double] = [:]
  /// Norms and biases that were trained, by tensor name.
  var vectors: [String: HeldTensor] = [:]
  /// Bytes for the lanes and contexts of all matrices.
  private let bytes: Int
  private let forecasts: [String: RateForecast]
  /// The step of each matrix at level 1.
  private let scales: [String: Double]
  private var total = RateHistogram()
  /// Tables for what is in the account now, once somebody asked for them.
  private var made: SharedRateTables?
  private var foreseen = 0.0

  /// The share of all weights that counts as having come out as foreseen, so that the first matrices do not sway the level.
  private static let inertia = 0.15
  /// Bytes of contexts and steps for each row and column.
  private static let bytesPerLine = 0.5

  /// An account of `bytes` for matrices with these forecasts and steps at level 1.
  init(bytes: Int, forecasts: [String: RateForecast], scales: [String: Double]) {
    self.bytes = bytes
    self.forecasts = forecasts
    self.scales = scales
  }

  /// Quantizes with the costs of the tables of what came before.
  var quantizer: RateQuantizer { RateQuantizer(expecting: total) }

  /// Adds a matrix that was quantized at a level.
  func add(_ name: String, _ matrix: RateMatrix, level: Double) throws(LMToolError) {
    let histogram = try RateHistogram(matrix)
    matrices[name] = matrix
    histograms[name] = histogram
    steps[name] = level * scale(name)
    total.add(histogram)
    made = nil
    foreseen += forecast(name, level: level)
  }

  /// Puts another matrix in the place of one that is in the account already.
  func replace(_ name: String, _ matrix: RateMatrix, level: Double) throws(LMToolError) {
    let others = histograms.filter { $0.key != name }
    total = RateHistogram()
    for key in others.keys.sorted() { total.add(others[key] ?? RateHistogram()) }
    foreseen = 0
    try add(name, matrix, level: level)
  }

  /// The step at level 1.
  func scale(_ name: String) -> Double { scales[name] ?? 1 }

  /// Tables for all matrices in the account.
  var tables: RateTables { shared.tables }

  /// Bytes of the lanes of all matrices in the account, and of the tables that some of them need.
  var laneBytes: Int { shared.bytes }

  private var shared: SharedRateTables {
    if let made { return made }
    let shared = SharedRateTables(histograms.sorted { $0.key < $1.key }.map(\.value))
    made = shared
    return shared
  }

  /// The level that is expected to spend what is left on what is left.
  var level: Double {
    let spent = Double(8 * laneBytes), done = Double(histograms.values.reduce(0) { $0 + $1.symbols })
    let weights = Double(forecasts.values.reduce(0) { $0 + $1.count })
    let bias = done > 0 ? (spent - foreseen) / (done + Self.inertia * weights) : 0
    let left = forecasts.keys.filter { histograms[$0] == nil }.sorted()
    let room = Double(8 * bytes) - spent
    var low = -60.0, high = 30.0
    for _ in 0..<60 {
      let middle = (low + high) / 2, level = BinaryLogarithm.power(middle)
      let wanted = left.reduce(0.0) { $0 + forecast($1, level: level) + bias * Double(forecasts[$1]?.count ?? 0) }
      if wanted > room { low = middle } else { high = middle }
    }
    return BinaryLogarithm.power(high)
  }

  private func forecast(_ name: String, level: Double) -> Double { forecasts[name]?.bits(step: level * scale(name)) ?? 0 }

  /// Bytes of what contexts and steps take, about, for matrices of these shapes.
  static func contextBytes(rows: Int, columns: Int) -> Int { Int(Double(rows + columns) * bytesPerLine) }
}
