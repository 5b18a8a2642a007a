import Kernels
import Quantization
import Tensors

extension CodedMatrix {
  /// Rows that are decoded together.
  private static let lane = 64
  /// Values that are decoded at a time: half a MiB of them stays in a core's cache until it is packed.
  private static let piece = 1 << 18

  /// Brings a matrix of whole numbers into compute layout, exactly: a few lanes at a time, so that it is never in memory twice.
  static func load(_ tensor: any RateTensorReader) throws(LMToolError) -> CodedMatrix {
    let steps = tensor.steps, rows = tensor.shape[0], columns = tensor.shape[1]
    try checkFinite(steps, of: tensor)
    let matrix = CodedMatrix(outputs: rows, inputs: columns, format: try format(of: tensor), columnSteps: steps.columns)
    let lanes = (rows + lane - 1) / lane, together = max(1, piece / (lane * max(1, columns)))
    try ThreadPool.shared.forEach((lanes + together - 1) / together) { (index) throws(LMToolError) in
      let lanes = index * together..<min(lanes, (index + 1) * together)
      try withValues(of: tensor, lanes: lanes) { values, first in
        for row in stride(from: 0, to: min(rows - first, lanes.count * lane), by: 32) {
          steps.rows.withUnsafeBufferPointer {
            matrix.pack(block: (first + row) / 32, values: values + row * columns, rowSteps: $0.baseAddress! + first + row)
          }
        }
      }
    }
    return matrix
  }

  /// int4 where at most one in four inputs of the blocks of a lane has a number too large for it, else int8. The lane in the
  /// middle speaks for all.
  private static func format(of tensor: any RateTensorReader) throws(LMToolError) -> Format {
    if tensor.largest <= 7 { return .int4 }
    let rows = tensor.shape[0], columns = tensor.shape[1], middle = (rows + lane - 1) / lane / 2
    var outliers = 0, inputs = 0
    try withValues(of: tensor, lanes: middle..<middle + 1) { values, first in
      for row in stride(from: 0, to: min(rows - first, lane), by: 32) {
        outliers += countOutliers(values + row * columns, rows: min(32, rows - first - row), inputs: columns, format: .int4)
        inputs += columns
      }
    }
    return 4 * outliers <= inputs ? .int4 : .int8
  }

  /// Calls `body` with the decoded values of `lanes`, and with their first row.
  private static func withValues(
    of tensor: any RateTensorReader, lanes: Range<Int>, _ body: (UnsafeMutablePointer<Int16>, Int) -> Void
  ) throws(LMToolError) {
    let first = lanes.lowerBound * lane, rows = min(tensor.shape[0] - first, lanes.count * lane)
    let values = UnsafeMutablePointer<Int16>.allocate(capacity: max(1, rows * tensor.shape[1]))
    defer { values.deallocate() }
    try tensor.readValues(lanes: lanes, into: values)
    body(values, first)
  }

  /// Refuses steps with which a weight may be NaN or infinite (MODEL-5).
  private static func checkFinite(_ steps: RateSteps, of tensor: any RateTensorReader) throws(LMToolError) {
    let row = steps.rows.reduce(0) { max($0, $1.magnitude) }, column = steps.columns.reduce(0) { max($0, $1.magnitude) }
    let areNumbers = steps.rows.allSatisfy(\.isFinite) && steps.columns.allSatisfy(\.isFinite)
    guard areNumbers, (Float(tensor.largest) * row * column).isFinite else {
      throw LMToolError(
        .badInput, "its steps make weights that are not finite; a model with such weights is broken", at: .tensor(tensor.name),
        rule: "MODEL-5")
    }
  }
}
