extension Double {
  /// The number with three digits and a prefix of a thousand: "37.1 GB/s", "12.4 µs", "0 s".
  package func quantity(_ unit: String) -> String {
    let prefixes = ["n", "µ", "m", "", "k", "M", "G", "T", "P"]
    var value = self, index = 3
    while value.magnitude >= 999.5 && index + 1 < prefixes.count { (value, index) = (value / 1000, index + 1) }
    while value != 0 && value.magnitude < 0.9995 && index > 0 { (value, index) = (value * 1000, index - 1) }
    let digits = value.magnitude >= 99.95 ? 0 : value.magnitude >= 9.995 ? 1 : 2
    return "\(value.fixed(value == 0 ? 0 : digits)) \(prefixes[value == 0 ? 3 : index])\(unit)"
  }
}
