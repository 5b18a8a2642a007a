import Kernels
import Tensors

/// Everything of an encoded rate matrix but its lanes: the numbers and codes that the artifact keeps in one place
/// (`formats/rate.md`, RATE-8).
public struct RateParameters: Sendable, Equatable {
  /// The step of rows and columns whose codes are `RateSteps.one`.
  public let base: Float
  /// No value is larger in magnitude.
  public let largest: Int
  /// The table set of the lanes.
  public let set: Int
  /// Which values follow each other.
  public let trellis: RateTrellis
  /// Bytes of each lane.
  public let lengths: [UInt32]
  /// The step of each row, in eighths of an octave.
  public let rowSteps: [UInt8]
  /// The step of each column, in eighths of an octave.
  public let columnSteps: [UInt8]
  /// What makes the steps finer; nil when nothing does.
  public let fine: RateFineCodes?
  /// What the symbols are modelled by.
  public let contexts: RateContexts

  /// Rows: outputs.
  public var rows: Int { rowSteps.count }
  /// Columns: inputs.
  public var columns: Int { columnSteps.count }
  /// [rows, columns].
  public var shape: [Int] { [rows, columns] }
  /// Bytes of all lanes.
  public var laneBytes: Int { lengths.reduce(0) { $0 + Int($1) } }
  /// Bytes of the parameters in the blob that they are stored in, unpacked.
  public var sideBytes: Int { 7 + 4 * lengths.count + (fine == nil ? 2 : 3) * (rows + columns) }
  /// The steps, multiplied out.
  public var steps: RateSteps { RateSteps(base: base, rowCodes: rowSteps, columnCodes: columnSteps, fine: fine) }

  var kernel: RateKernel { RateKernel(rowCodes: contexts.rowCodes, columnCodes: contexts.columnCodes, trellis: trellis) }

  /// Bytes of the shortest segment: the state that the decoder starts with.
  static let shortestLane = 4

  /// Takes the parameters of a matrix.
  ///
  /// - Throws: `badInput` when the base or the largest weight is not finite, a number is out of its range, or there are not as many
  ///   lanes and codes as the shape has (RATE-2, RATE-8).
  public init(
    base: Float, largest: Int, set: Int, trellis: RateTrellis, lengths: [UInt32], rowSteps: [UInt8], columnSteps: [UInt8],
    fine: RateFineCodes? = nil, contexts: RateContexts
  ) throws(LMToolError) {
    self.base = base
    self.largest = largest
    self.set = set
    self.trellis = trellis
    self.lengths = lengths
    self.rowSteps = rowSteps
    self.columnSteps = columnSteps
    self.fine = fine
    self.contexts = contexts
    guard
      !rowSteps.isEmpty, !columnSteps.isEmpty, contexts.rowCodes.count == rows, contexts.columnCodes.count == columns,
      lengths.count == kernel.lanes
    else { throw LMToolError(.badInput, "lanes and codes do not fit the shape \(shape)", rule: "RATE-8") }
    guard (0...RateKernel.largest).contains(largest), (0..<RateTables.maximumSets).contains(set) else {
      throw LMToolError(.badInput, "the largest value is \(largest) and the table set \(set)", rule: "RATE-8")
    }
    guard lengths.allSatisfy({ $0 >= Self.shortestLane }) else {
      throw LMToolError(.badInput, "a lane has fewer than \(Self.shortestLane) bytes", rule: "RATE-8")
    }
    if let fine {
      guard fine.rows.count == rows, fine.columns.count == columns, (fine.rows + fine.columns).allSatisfy({ $0 < 8 }) else {
        throw LMToolError(.badInput, "a fine code of a step is above 7", rule: "RATE-8")
      }
    }
    let row = base * RateSteps.factor(rowSteps.max() ?? 0, fine: fine == nil ? 0 : 7)
    guard (Float(largest) * row * RateSteps.factor(columnSteps.max() ?? 0, fine: fine == nil ? 0 : 7)).isFinite, row.isFinite
    else {
      throw LMToolError(.badInput, "the step \(base) makes weights that are not finite", rule: "RATE-2")
    }
  }

  /// The same matrix with other steps, each to a 64th of an octave.
  ///
  /// - Throws: `badInput` when weights would not be finite (RATE-2).
  public func with(_ steps: RateSteps) throws(LMToolError) -> RateParameters {
    precondition(steps.rows.count == rows && steps.columns.count == columns, "a step for each row and column")
    let rowCodes = steps.rows.map { RateSteps.codes(nearest: Double($0) / Double(base)) }
    let columnCodes = steps.columns.map { RateSteps.codes(nearest: Double($0)) }
    return try RateParameters(
      base: base, largest: largest, set: set, trellis: trellis, lengths: lengths, rowSteps: rowCodes.map(\.code),
      columnSteps: columnCodes.map(\.code), fine: RateFineCodes(rows: rowCodes.map(\.fine), columns: columnCodes.map(\.fine)),
      contexts: contexts)
  }
}
