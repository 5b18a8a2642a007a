import Kernels

/// What is known of the spread of a rate matrix before its symbols are: a code for each row and each column, in eighths of an
/// octave, that together choose the class of a symbol (`formats/rate.md`, RATE-3).
public struct RateContexts: Sendable, Equatable {
  /// One code for each row; 128 for a row like the average one.
  public let rowCodes: [UInt8]
  /// One code for each column: 8 (6 + log2 of the expected magnitude of a value).
  public let columnCodes: [UInt8]

  /// Classes: quarter octaves of the expected magnitude of a value, from 2^-6 on.
  public static let classes = RateKernel.classes

  /// Takes codes.
  public init(rowCodes: [UInt8], columnCodes: [UInt8]) {
    self.rowCodes = rowCodes
    self.columnCodes = columnCodes
  }

  /// The class of the symbols where such a row and such a column meet.
  public static func classOf(row: UInt8, column: UInt8) -> Int {
    min(max(0, Int(row) + Int(column) - bias) >> 1, classes - 1)
  }

  /// The code that makes a factor of 1.
  static let bias = 128
  /// Octaves from the magnitude of class 0 to 1.
  private static let lowest = 6
  /// From this many symbols on, a row or column is worth a code to the eighth of an octave instead of the quarter.
  private static let fine = 2048

  /// The codes for rows and columns whose values have these mean magnitudes, measured or foreseen, in any common unit of columns.
  ///
  /// A symbol is expected to have the magnitude row mean / mean of all * column mean. Codes of short rows and columns are multiples
  /// of two: finer ones would cost more than they save.
  ///
  /// - Parameters:
  ///   - rowMeans: the mean of |value| in each row; only their ratios count.
  ///   - columnMeans: the mean of |value| in each column.
  public init(rowMeans: [Double], columnMeans: [Double]) {
    let mean = rowMeans.reduce(0, +) / Double(max(1, rowMeans.count))
    rowCodes = rowMeans.map { Self.code($0 / mean, origin: Self.bias, isFine: columnMeans.count >= Self.fine) }
    columnCodes = columnMeans.map { Self.code($0, origin: 8 * Self.lowest, isFine: rowMeans.count >= Self.fine) }
  }

  /// The codes for the mean magnitudes of values [rows][columns].
  public init(values: UnsafePointer<Int16>, rows: Int, columns: Int) {
    var rowSums = [Int](repeating: 0, count: rows)
    var columnSums = [Int](repeating: 0, count: columns)
    for row in 0..<rows {
      for column in 0..<columns {
        let magnitude = Int(values[row * columns + column].magnitude)
        rowSums[row] += magnitude
        columnSums[column] += magnitude
      }
    }
    self.init(
      rowMeans: rowSums.map { Double($0) / Double(columns) }, columnMeans: columnSums.map { Double($0) / Double(rows) })
  }

  private static func code(_ ratio: Double, origin: Int, isFine: Bool) -> UInt8 {
    guard let logarithm = BinaryLogarithm.sixteenths(ratio) else { return 0 }
    let eighths = isFine ? (logarithm + 1) >> 1 : ((logarithm + 2) >> 2) * 2
    return UInt8(min(max(0, eighths + origin), 255))
  }
}
