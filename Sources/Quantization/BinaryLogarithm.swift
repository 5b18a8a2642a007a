/// Logarithms to base 2 that are the same on every machine: tables and integers, no library.
public enum BinaryLogarithm {
  /// 2^(i / 16) for i from 0 to 15.
  static let sixteenths: [Double] = [
    1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916, 1.189207115002721, 1.241857812073484, 1.2968395546510096,
    1.3542555469368927, 1.4142135623730951, 1.476826145939499, 1.5422108254079407, 1.6104903319492543, 1.681792830507429,
    1.7562521603732995, 1.8340080864093424, 1.9152065613971474,
  ]

  /// The largest whole number that is not above 16 log2(x); nil unless x is a positive normal number.
  static func sixteenths(_ x: Double) -> Int? {
    guard x.isNormal, x > 0 else { return nil }
    let significand = x.significand
    return 16 * Int(x.exponent) + (sixteenths.lastIndex { $0 <= significand } ?? 0)
  }

  /// log2(x) in units of 1/65536, rounded down.
  ///
  /// - Precondition: x is at least 1.
  package static func fixed(_ x: Int) -> Int {
    precondition(x >= 1, "there is no logarithm of \(x)")
    let exponent = Int.bitWidth - 1 - x.leadingZeroBitCount
    var result = exponent
    var mantissa = exponent > 31 ? UInt64(x) >> (exponent - 31) : UInt64(x) << (31 - exponent)  // 1...<2 in units of 2^-31
    for _ in 0..<16 {
      mantissa = (mantissa * mantissa) >> 31
      result *= 2
      if mantissa >= 1 << 32 {
        mantissa >>= 1
        result += 1
      }
    }
    return result
  }
}

extension BinaryLogarithm {
  /// log2(x) for positive x, exact to 2^-30: by squaring, the same on every machine.
  public static func approximate(_ x: Double) -> Double {
    precondition(x > 0 && x.isFinite, "there is no logarithm of \(x)")
    var result = Double(x.exponent), rest = x.significand, digit = 0.5
    for _ in 0..<30 {
      rest *= rest
      if rest >= 2 {
        rest /= 2
        result += digit
      }
      digit /= 2
    }
    return result
  }

  /// 2^x, exact to 2^-28.
  public static func power(_ x: Double) -> Double {
    let whole = x.rounded(.down)
    var rest = x - whole, result = 1.0, root = 2.0
    for _ in 0..<32 {
      root = root.squareRoot()
      rest *= 2
      if rest >= 1 {
        rest -= 1
        result *= root
      }
    }
    return result * Double(sign: .plus, exponent: Int(whole), significand: 1)
  }
}
