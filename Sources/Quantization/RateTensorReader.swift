import Tensors

/// A matrix of whole numbers with steps, readable as floats and as the numbers themselves. An element is
/// (value · row step) · column step, rounded to f32 in this order.
public protocol RateTensorReader: TensorReader {
  /// The steps, multiplied out.
  var steps: RateSteps { get }
  /// No value is larger in magnitude.
  var largest: Int { get }

  /// Decodes the values of `lanes`, 64 rows each (the last perhaps fewer), row-major [rows of these lanes][columns].
  ///
  /// - Throws: `badInput` when the stored form is broken (RATE-6).
  func readValues(lanes: Range<Int>, into values: UnsafeMutablePointer<Int16>) throws(LMToolError)
}

/// A rate matrix that is entropy-coded: readable as it is stored, too.
public protocol EncodedRateTensorReader: RateTensorReader {
  /// The tables that the matrix is coded with.
  var tables: RateTables { get }

  /// The values as bytes.
  ///
  /// - Precondition: `largest` is at most 127.
  func readValues(lanes: Range<Int>, into values: UnsafeMutablePointer<Int8>) throws(LMToolError)

  /// The matrix as it is stored, to be stored again.
  func readEncoded() throws(LMToolError) -> EncodedRateMatrix

  /// The matrix with its indices, as its quantizer made it.
  func readMatrix() throws(LMToolError) -> RateMatrix
}
