import Tensors

/// A rate matrix of any file: readable as floats, as values and steps for kernels, and as it is stored.
public protocol RateTensorReader: TensorReader {
  /// The steps, multiplied out: a weight is (value * row step) * column step.
  var steps: RateSteps { get }
  /// No value is larger in magnitude.
  var largest: Int { get }
  /// The tables that the matrix is coded with.
  var tables: RateTables { get }

  /// Decodes the values of `lanes`, 64 rows each, row-major [rows of these lanes][columns]; all threads share the work.
  ///
  /// - Throws: `badInput` when the stored form is broken (RATE-6).
  func readValues(lanes: Range<Int>, into values: UnsafeMutablePointer<Int16>) throws(LMToolError)

  /// The same into bytes.
  ///
  /// - Precondition: `largest` is at most 127.
  func readValues(lanes: Range<Int>, into values: UnsafeMutablePointer<Int8>) throws(LMToolError)

  /// The matrix as it is stored, to be stored again.
  func readEncoded() throws(LMToolError) -> EncodedRateMatrix

  /// The matrix with its indices, as its quantizer made it.
  func readMatrix() throws(LMToolError) -> RateMatrix
}
