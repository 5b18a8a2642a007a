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

  /// 2^((code - 128) / 8 + fine / 64), rounded to the nearest float.
  public static func factor(_ code: UInt8, fine: UInt8 = 0) -> Float {
    let steps = 8 * (Int(code) - Int(one)) + Int(fine)
    return mantissas[steps & 63] * Float(sign: .plus, exponent: steps >> 6, significand: 1)
  }

  /// The code whose factor is nearest to `factor` in its logarithm; nil unless it is a positive normal number.
  public static func code(nearest factor: Float) -> UInt8? {
    BinaryLogarithm.sixteenths(Double(factor)).map { UInt8(min(max(0, ($0 + 1) >> 1 + Int(one)), 255)) }
  }

  /// The code and fine code whose factor is nearest to `factor`, which is positive, in its logarithm.
  public static func codes(nearest factor: Double) -> (code: UInt8, fine: UInt8) {
    let steps = Int((BinaryLogarithm.approximate(factor) * 64).rounded()) + 8 * Int(one)
    let held = min(max(0, steps), 8 * 255 + 7)
    return (UInt8(held >> 3), UInt8(held & 7))
  }

  /// The steps of these codes.
  public init(base: Float, rowCodes: [UInt8], columnCodes: [UInt8], fine: RateFineCodes? = nil) {
    rows = rowCodes.indices.map { base * Self.factor(rowCodes[$0], fine: fine?.rows[$0] ?? 0) }
    columns = columnCodes.indices.map { Self.factor(columnCodes[$0], fine: fine?.columns[$0] ?? 0) }
  }

  /// 2^(i / 64).
  private static let mantissas: [Float] = [
    1.0, 1.0108893, 1.0218972, 1.0330249, 1.0442737, 1.0556452, 1.0671405, 1.0787607,
    1.0905077, 1.1023825, 1.1143868, 1.1265216, 1.1387886, 1.1511892, 1.1637249, 1.176397,
    1.1892071, 1.2021568, 1.2152474, 1.2284806, 1.2418578, 1.2553807, 1.269051, 1.28287,
    1.2968396, 1.3109612, 1.3252367, 1.3396676, 1.3542556, 1.3690025, 1.38391, 1.3989797,
    1.4142135, 1.4296134, 1.4451808, 1.4609178, 1.4768262, 1.4929078, 1.5091645, 1.5255982,
    1.5422108, 1.5590044, 1.5759809, 1.5931422, 1.6104903, 1.6280274, 1.6457555, 1.6636766,
    1.6817929, 1.7001064, 1.7186193, 1.7373339, 1.7562522, 1.7753764, 1.7947091, 1.8142521,
    1.8340081, 1.8539791, 1.8741677, 1.894576, 1.9152066, 1.9360617, 1.9571441, 1.978456,
  ]
}

/// What makes the steps of a matrix finer than eighths of an octave: 64ths, 0 to 7 for each row and column.
public struct RateFineCodes: Sendable, Equatable {
  /// One for each row.
  public let rows: [UInt8]
  /// One for each column.
  public let columns: [UInt8]

  /// Takes codes.
  public init(rows: [UInt8], columns: [UInt8]) {
    self.rows = rows
    self.columns = columns
  }
}
