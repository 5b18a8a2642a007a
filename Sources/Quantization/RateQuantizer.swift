import Kernels
import Tensors

/// Turns matrices into those of rate mode: steps by column, errors fed back, indices chosen along a trellis by error and bits together.
public struct RateQuantizer: Sendable {
  /// What a bit weighs, in squared steps: the slope at which error falls with rate at 2 to 3 bits, measured on Gaussian sources (the
  /// quantizer then is 0.08 bit above the rate-distortion bound; without a trellis 0.25).
  public static let weightOfRate: Float = 0.4

  /// A compromise: 8 states need 0.02 bit a weight more, 64 0.002 less, at a third and twice the time.
  public static let trellis = RateTrellis.states32

  private let costs: TrellisQuantizer.Costs

  /// A quantizer that knows what indices cost under `tables`.
  public init(_ tables: RateTables) { costs = Self.costs(tables) }

  /// A quantizer for the model of a matrix that was counted already: what is rare there counts as it is usual.
  ///
  /// Contexts that were never met would make everything but their commonest symbol seem impossible.
  public init(expecting histogram: RateHistogram) {
    var expected = RateHistogram.standard(count: 4096)
    expected.add(histogram)
    self.init(RateTables([expected]))
  }

  private static func costs(_ tables: RateTables) -> TrellisQuantizer.Costs {
    let classes = 0..<RateContexts.classes
    return TrellisQuantizer.Costs(
      models: classes.map { UInt8(RateCosts.model(of: $0)) }, shifts: classes.map { UInt8(RateCosts.rawBits(of: $0)) },
      high: RateCosts(tables).symbols.map { $0 * weightOfRate })
  }

  /// Whether so many of the weights are zero that they are meant to be: these stay zero, and the matrix is coded by what itself holds.
  public static func isSparse(_ weights: [Float]) -> Bool { 3 * weights.count { $0 == 0 } >= weights.count }

  /// The statistics of the inputs of a matrix, ready for use: made once for all matrices that read the same input.
  public struct Inputs: Sendable {
    /// `SymmetricFactor.deviations`.
    public let deviations: [Double]
    /// `SymmetricFactor.feedback`.
    public let feedback: [Float]

    /// Takes statistics.
    public init(deviations: [Double], feedback: [Float]) {
      self.deviations = deviations
      self.feedback = feedback
    }

    /// Of a factor.
    public init(_ factor: SymmetricFactor) {
      deviations = factor.deviations
      feedback = factor.feedback()
    }
  }

  /// What errors in the outputs of a matrix cost beside each other.
  public struct Outputs: Sendable {
    /// A factor on the step of each row; their geometric mean is 1.
    public let rowFactors: [Double]
    /// That mean before: what the step of the whole matrix is multiplied with.
    public let factor: Double
    /// How lanes make up for the errors of others; nil where they do not.
    public let gains: LaneGains?

    /// Of rows whose errors cost this much, each by itself: steps are inverse to the root of it.
    public init(costs: [Double], gains: LaneGains? = nil) {
      let factors = costs.map { 1 / max($0, 1e-30).squareRoot() }
      let middle = factors.reduce(0.0) { $0 + BinaryLogarithm.approximate($1) } / Double(max(1, factors.count))
      let factor = BinaryLogarithm.power(middle)
      self.factor = factor
      self.gains = gains
      rowFactors = factors.map { $0 / factor }
    }

    /// Of rows whose lanes make up for the errors of others.
    public init(_ gains: LaneGains) { self.init(costs: gains.costs, gains: gains) }
  }

  /// Quantizes `weights` [rows, columns]. Zeros of a matrix that is sparse stay zeros.
  ///
  /// - Parameters:
  ///   - step: of an input whose deviation is 1; column j has the step step / deviation j, so that every column adds the same error.
  ///   - outputs: what the rows cost beside each other, where they differ; `step` is that of a row whose factor is 1.
  /// - Throws: `badInput` when a weight is so large beside its step that its value would not fit (RATE-1).
  public func quantize(
    _ weights: [Float], rows: Int, inputs: Inputs, step: Double, outputs: Outputs? = nil
  ) throws(LMToolError) -> RateMatrix {
    let columns = inputs.deviations.count, rowFactors = outputs?.rowFactors
    precondition(weights.count == rows * columns, "a weight for each element")
    let deviations = inputs.deviations.map { max($0, 1e-30) }
    let middle = ((deviations.min() ?? 1) * (deviations.max() ?? 1)).squareRoot()
    let largest = Self.largest(weights, rows: rows, columns: columns, factors: rowFactors)
    let columnSteps = zip(deviations, largest).map { deviation, largest in
      // Steps so fine that values would not fit gain nothing: the largest weight is within a part in 16,000 already.
      RateSteps.code(nearest: Float(max(middle / deviation, middle * largest / (step * Self.largestValue)))) ?? RateSteps.one
    }
    let rowSteps = (0..<rows).map { row in rowFactors.flatMap { RateSteps.code(nearest: Float($0[row])) } ?? RateSteps.one }
    let base = Float(step / middle)
    let steps = RateSteps(base: base, rowCodes: rowSteps, columnCodes: columnSteps)
    let isSparse = Self.isSparse(weights)
    func matrix(
      _ contexts: RateContexts, _ costs: TrellisQuantizer.Costs, _ trellis: RateTrellis
    ) throws(LMToolError) -> RateMatrix {
      let quantizer = TrellisQuantizer(
        feedback: inputs.feedback, columnSteps: steps.columns, columnCodes: contexts.columnCodes, costs: costs,
        trellis: trellis, keepsZeros: isSparse)
      guard
        let indices = quantizer.quantize(
          weights, rowSteps: steps.rows, rowCodes: contexts.rowCodes, gains: outputs?.gains)
      else {
        throw RateMatrix.tooLarge
      }
      return RateMatrix(
        rows: rows, columns: columns, trellis: trellis, indices: indices, contexts: contexts, base: base,
        rowSteps: rowSteps, columnSteps: columnSteps)
    }
    // The first choice only tells how large the values of each row and column are, feedback included.
    let first = try matrix(Self.foreseen(weights, rows: rows, steps: steps), costs, .states8).withMeasuredContexts()
    let own = isSparse ? try RateQuantizer(expecting: RateHistogram(first)).costs : costs
    return try matrix(first.contexts, own, Self.trellis).withMeasuredContexts()
  }

  /// The values that the largest weights of a column are kept to; feedback may add to it.
  private static let largestValue = 8000.0

  /// The largest magnitude in each column, rows beside their factors.
  private static func largest(_ weights: [Float], rows: Int, columns: Int, factors: [Double]?) -> [Double] {
    var largest = [Float](repeating: 0, count: columns)
    for row in 0..<rows {
      let inverse = factors.map { Float(1 / $0[row]) } ?? 1
      for column in 0..<columns { largest[column] = max(largest[column], abs(weights[row * columns + column]) * inverse) }
    }
    return largest.map(Double.init)
  }

  /// The contexts for the weights as they are.
  private static func foreseen(_ weights: [Float], rows: Int, steps: RateSteps) -> RateContexts {
    let columns = steps.columns.count
    var columnSums = [Double](repeating: 0.02, count: columns)
    var rowSums = [Double](repeating: 0, count: rows)
    for row in 0..<rows {
      let inverse = 1 / steps.rows[row]
      for column in 0..<columns {
        columnSums[column] += Double(abs(weights[row * columns + column]) * inverse / steps.columns[column])
      }
    }
    let columnMeans = columnSums.map { $0 / Double(rows) + 0.02 }
    for row in 0..<rows {
      let inverse = 1 / steps.rows[row]
      for column in 0..<columns {
        let magnitude = abs(weights[row * columns + column]) * inverse / steps.columns[column]
        rowSums[row] += Double(magnitude) / columnMeans[column]
      }
    }
    return RateContexts(rowMeans: rowSums.map { $0 / Double(columns) + 0.02 }, columnMeans: columnMeans)
  }
}

extension RateMatrix {
  /// The weights that the values stand for, [rows, columns]: (value · row step) · column step.
  ///
  /// - Throws: `badInput` when a value is above 32767 in magnitude (RATE-1).
  public func dequantized() throws(LMToolError) -> [Float] {
    let values = try self.values(), steps = self.steps, columns = self.columns, rows = self.rows
    return [Float](unsafeUninitializedCapacity: values.count) { weights, count in
      nonisolated(unsafe) let weights = weights
      ThreadPool.shared.forEach(rows) { row in
        for column in 0..<columns {
          let at = row * columns + column
          weights[at] = Float(values[at]) * steps.rows[row] * steps.columns[column]
        }
      }
      count = values.count
    }
  }
}
