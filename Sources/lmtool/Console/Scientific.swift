extension Double {
  /// Three digits and a power of ten: "1.23e-5"; what is not positive is "0".
  package var scientific: String {
    guard self > 0, isFinite else { return "0" }
    var exponent = 0, value = self
    while value >= 9.995 { (value, exponent) = (value / 10, exponent + 1) }
    while value < 0.9995 { (value, exponent) = (value * 10, exponent - 1) }
    return value.fixed(2) + "e\(exponent)"
  }

  /// Three digits, with a power of ten only where there would be many zeros: "0.0123", "1.23", "123", "4.56e-5".
  package var threeDigits: String {
    guard isFinite, self != 0 else { return fixed(0) }
    if magnitude < 0.000_999_5 { return (self < 0 ? "-" : "") + magnitude.scientific }
    var digits = 2, bound = 9.995
    while magnitude >= bound, digits > 0 { (digits, bound) = (digits - 1, bound * 10) }
    bound = 0.9995
    while magnitude < bound { (digits, bound) = (digits + 1, bound / 10) }
    return fixed(digits)
  }
}
