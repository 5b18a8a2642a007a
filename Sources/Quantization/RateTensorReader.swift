import Tensors

/// The steps of a matrix W[i][j] = value[i][j] · rows[i] · columns[j], multiplied out.
public struct RateSteps: Sendable {
  /// One for each row; they carry the step of the matrix.
  public let rows: [Float]
  /// One for each column.
  public let columns: [Float]

  /// Takes the steps.
  public init(rows: [Float], columns: [Float]) {
    self.rows = rows
    self.columns = columns
  }
}

/// A matrix of whole numbers with steps, readable as floats and as the numbers themselves. An element is
/// (value · row step) · column step, rounded to f32 in this order.
public protocol RateTensorReader: TensorReader {
  /// The steps.
  var steps: RateSteps { get }
  /// The largest magnitude of a value.
  var largest: Int { get }

  /// Decodes the lanes of `lanes` (64 rows each, the last perhaps fewer) into values, row-major
  /// [rows of these lanes][columns].
  ///
  /// - Throws: `badInput` when the stored form is broken.
  func readValues(lanes: Range<Int>, into values: UnsafeMutablePointer<Int16>) throws(LMToolError)
}
