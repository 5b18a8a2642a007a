import Kernels
import Tensors

/// A quantized matrix [rows, columns] of rate mode, before it is entropy-coded: what a quantizer hands to the encoder.
///
/// Indices follow the trellis of `formats/rate.md` (RATE-1), lane by lane; they and the state of the trellis give the values, and
/// a weight is (value * row step) * column step.
public struct RateMatrix: Sendable, Equatable {
  /// Rows: outputs.
  public let rows: Int
  /// Columns: inputs.
  public let columns: Int
  /// Which values follow each other.
  public let trellis: RateTrellis
  /// Indices of the trellis, row-major.
  public let indices: [Int16]
  /// What the symbols are modelled by.
  public let contexts: RateContexts
  /// The step of rows and columns whose codes are `RateSteps.one`.
  public let base: Float
  /// The step of each row, in eighths of an octave.
  public let rowSteps: [UInt8]
  /// The step of each column, in eighths of an octave.
  public let columnSteps: [UInt8]

  /// Takes the parts of a matrix.
  ///
  /// - Precondition: there is an index for each element, and a code for each row and column.
  public init(
    rows: Int, columns: Int, trellis: RateTrellis, indices: [Int16], contexts: RateContexts, base: Float, rowSteps: [UInt8],
    columnSteps: [UInt8]
  ) {
    precondition(rows >= 1 && columns >= 1 && indices.count == rows * columns, "there is an index for each element")
    precondition(contexts.rowCodes.count == rows && contexts.columnCodes.count == columns, "codes for rows and columns")
    precondition(rowSteps.count == rows && columnSteps.count == columns, "steps for rows and columns")
    self.rows = rows
    self.columns = columns
    self.trellis = trellis
    self.indices = indices
    self.contexts = contexts
    self.base = base
    self.rowSteps = rowSteps
    self.columnSteps = columnSteps
  }

  /// The steps, multiplied out.
  public var steps: RateSteps { RateSteps(base: base, rowCodes: rowSteps, columnCodes: columnSteps) }
  /// Lanes of 64 rows.
  public var lanes: Int { kernel.lanes }

  /// The same matrix with contexts measured on its values.
  ///
  /// - Throws: `badInput` when a value is too large (RATE-1).
  public func withMeasuredContexts() throws(LMToolError) -> RateMatrix {
    let values = try values()
    return RateMatrix(
      rows: rows, columns: columns, trellis: trellis, indices: indices,
      contexts: RateContexts(values: values, rows: rows, columns: columns), base: base, rowSteps: rowSteps,
      columnSteps: columnSteps)
  }

  /// The values, row-major.
  ///
  /// - Throws: `badInput` when a value is above 32767 in magnitude (RATE-1).
  public func values() throws(LMToolError) -> [Int16] {
    var largest: Int?
    let values = [Int16](unsafeUninitializedCapacity: indices.count) { buffer, initialized in
      largest = kernel.values(indices, lanes: 0..<lanes, into: buffer.baseAddress!)
      initialized = indices.count
    }
    guard largest != nil else { throw Self.tooLarge }
    return values
  }

  var kernel: RateKernel { RateKernel(rowCodes: contexts.rowCodes, columnCodes: contexts.columnCodes, trellis: trellis) }

  static let tooLarge = LMToolError(
    .badInput, "a value is above \(RateKernel.largest) in magnitude; the step is far too small for the weights", rule: "RATE-1")
}
