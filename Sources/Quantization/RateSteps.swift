/// The steps of a rate matrix, multiplied out: a weight is (value * row step) * column step (`formats/rate.md`, RATE-2).
public struct RateSteps: Sendable, Equatable {
  /// One for each row; the base of the matrix is a factor of them.
  public let rows: [Float]
  /// One for each column.
  public let columns: [Float]

  /// Takes steps.
  public init(rows: [Float], columns: [Float]) {
    self.rows = rows
    self.columns = columns
  }

  /// The code of a factor of 1.
  public static let one: UInt8 = 128

  /// 2^((code - 128) / 8), rounded to the nearest float.
  public static func factor(_ code: UInt8) -> Float {
    let eighths = Int(code) - Int(one)
    return mantissas[eighths & 7] * Float(sign: .plus, exponent: eighths >> 3, significand: 1)
  }

  /// The code whose factor is nearest to `factor` in its logarithm; nil unless it is a positive normal number.
  public static func code(nearest factor: Float) -> UInt8? {
    BinaryLogarithm.sixteenths(Double(factor)).map { UInt8(min(max(0, ($0 + 1) >> 1 + Int(one)), 255)) }
  }

  /// The steps of these codes.
  public init(base: Float, rowCodes: [UInt8], columnCodes: [UInt8]) {
    rows = rowCodes.map { base * Self.factor($0) }
    columns = columnCodes.map { Self.factor($0) }
  }

  /// 2^(i / 8).
  private static let mantissas: [Float] = [
    1.0, 1.0905077, 1.1892071, 1.2968396, 1.4142135, 1.5422108, 1.6817929, 1.8340081,
  ]
}
