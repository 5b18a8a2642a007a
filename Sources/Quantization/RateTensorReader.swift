import Tensors

/// A rate matrix of any file: readable as floats, and as values and steps for kernels.
public protocol RateTensorReader: TensorReader {
  /// The steps, multiplied out: a weight is (value * row step) * column step.
  var steps: RateSteps { get }
  /// No value is larger in magnitude.
  var largest: Int { get }
  /// The histogram of the symbols, for `inspect`.
  ///
  /// - Throws: `badInput` when the stored form is broken.
  func readHistogram() throws(LMToolError) -> RateHistogram

  /// Decodes the values of `lanes`, 64 rows each, row-major [rows of these lanes][columns]; the lanes are shared by all threads.
  ///
  /// - Throws: `badInput` when the stored form is broken.
  func readValues(lanes: Range<Int>, into values: UnsafeMutablePointer<Int16>) throws(LMToolError)

  /// The same into bytes.
  ///
  /// - Precondition: `largest` is at most 127.
  func readValues(lanes: Range<Int>, into values: UnsafeMutablePointer<Int8>) throws(LMToolError)
}
