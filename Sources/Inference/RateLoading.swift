import Kernels
import Quantization
import Tensors

extension CodedMatrix {
  /// Rows that are decoded together.
  private static let lane = 64
  /// Values that are decoded at a time, about: two MiB of them stay near a core until they are packed.
  private static let piece = 1 << 20
  /// So many lanes side by side keep the decoder busy, more do not make it faster.
  private static let abreast = 4...8

  /// Brings a matrix of whole numbers into compute layout, exactly: a few lanes at a time, so that it is never in memory twice.
  static func load(_ tensor: any RateTensorReader) throws(LMToolError) -> CodedMatrix {
    let steps = tensor.steps, rows = tensor.shape[0], columns = tensor.shape[1]
    try checkFinite(steps, of: tensor)
    let pieces = split(tensor), middle = pieces.count / 2
    var made: CodedMatrix?
    try withValues(of: tensor, lanes: pieces[middle]) { values, first in
      let sampled = min(rows - first, lane)
      let format = chooseFormat(of: values, rows: sampled, columns: columns, largest: tensor.largest)
      let matrix = CodedMatrix(outputs: rows, inputs: columns, format: format, columnSteps: steps.columns)
      pack(values, of: pieces[middle], first: first, steps, into: matrix)
      made = matrix
    }
    guard let matrix = made else { throw LMToolError(.bug, "no lane was decoded", at: .tensor(tensor.name)) }
    try ThreadPool.shared.forEach(pieces.count) { (index) throws(LMToolError) in
      guard index != middle else { return }
      try withValues(of: tensor, lanes: pieces[index]) { pack($0, of: pieces[index], first: $1, steps, into: matrix) }
    }
    return matrix
  }

  /// The lanes of a matrix in pieces as equal as can be.
  private static func split(_ tensor: any RateTensorReader) -> [Range<Int>] {
    let lanes = max(1, (tensor.shape[0] + lane - 1) / lane)
    let wanted = min(max(piece / (lane * max(1, tensor.shape[1])), abreast.lowerBound), abreast.upperBound)
    let count = (lanes + wanted - 1) / wanted
    return (0..<count).map { index in (index * lanes / count)..<((index + 1) * lanes / count) }
  }

  /// Packs the decoded values of some lanes, which begin at row `first`.
  private static func pack(
    _ values: UnsafeMutablePointer<Int16>, of lanes: Range<Int>, first: Int, _ steps: RateSteps, into matrix: CodedMatrix
  ) {
    let columns = matrix.inputs
    for row in stride(from: 0, to: min(matrix.outputs - first, lanes.count * lane), by: 32) {
      steps.rows.withUnsafeBufferPointer {
        matrix.pack(block: (first + row) / 32, values: values + row * columns, rowSteps: $0.baseAddress! + first + row)
      }
    }
  }

  /// int4 where at most one in four inputs of the blocks of a lane has a number too large for it, else int8. A lane in the middle speaks
  /// for all.
  private static func chooseFormat(of values: UnsafePointer<Int16>, rows: Int, columns: Int, largest: Int) -> Format {
    if largest <= 7 { return .int4 }
    var outliers = 0, inputs = 0
    for row in stride(from: 0, to: rows, by: 32) {
      outliers += countOutliers(values + row * columns, rows: min(32, rows - row), inputs: columns, format: .int4)
      inputs += columns
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
