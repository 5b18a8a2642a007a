#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An axis of a chart: which numbers it spans, where its ticks are, and what they are called.
package struct Axis: Sendable {
  /// How numbers become distances.
  package enum Scale: Sendable { case linear, logarithmic }
  /// What the numbers count.
  package enum Unit: Sendable { case none, bytes }

  /// What stands beside it.
  package let title: String
  /// Linear or logarithmic.
  package let scale: Scale
  /// The numbers at its ends.
  package let bounds: ClosedRange<Double>
  /// The numbers that are named, ascending.
  package let ticks: [Double]
  private let unit: Unit

  /// An axis with room for all `values` that it can show: a logarithmic one shows no number that is not positive.
  package init(_ title: String, scale: Scale, unit: Unit = .none, fitting values: [Double]) {
    self.title = title
    self.scale = scale
    self.unit = unit
    let shown = values.filter { Self.canShow($0, scale) }
    let low = shown.min() ?? 1, high = shown.max() ?? 2
    switch scale {
    case .linear:
      let margin = max((high - low) * 0.08, max(low.magnitude, high.magnitude) * 0.001, 1e-9)
      bounds = (low - margin)...(high + margin)
      ticks = Self.linearTicks(bounds)
    case .logarithmic:
      let factor = max(pow(high / low, 0.08), 1.15)
      bounds = (low / factor)...(high * factor)
      ticks = Self.logarithmicTicks(bounds)
    }
  }

  /// Whether an axis makes room for a number.
  private static func canShow(_ value: Double, _ scale: Scale) -> Bool {
    value.magnitude < 1e100 && (scale == .linear || value > 1e-100)
  }

  /// Where a number lies, from 0 at the lower end to 1 at the upper end; nil where it cannot be shown.
  package func position(_ value: Double) -> Double? {
    guard value.isFinite, scale == .linear || value > 0 else { return nil }
    switch scale {
    case .linear: return (value - bounds.lowerBound) / (bounds.upperBound - bounds.lowerBound)
    case .logarithmic: return log(value / bounds.lowerBound) / log(bounds.upperBound / bounds.lowerBound)
    }
  }

  /// Multiples of 1, 2 or 5 times a power of ten: 3 to 9 of them.
  package static func linearTicks(_ bounds: ClosedRange<Double>) -> [Double] {
    let least = (bounds.upperBound - bounds.lowerBound) / 8
    let power = pow(10, log10(least).rounded(.down))
    // A whole number is divided by a power of ten, not multiplied by its inverse, so that 0.3 is 0.3.
    let mantissa = [1.0, 2, 5].first { $0 * power >= least * 0.999 } ?? 10
    let isSmall = power < 1, factor = isSmall ? (1 / power).rounded() : power
    func value(_ index: Double) -> Double { isSmall ? index * mantissa / factor : index * mantissa * factor }
    let first = (bounds.lowerBound / (mantissa * power)).rounded(.up),
      last = (bounds.upperBound / (mantissa * power)).rounded(.down)
    guard last >= first else { return [] }
    return (0...Int(last - first)).map { value(first + Double($0)) }
  }

  /// Powers of ten, with numbers between them where these are few; multiples of a step where even those are.
  package static func logarithmicTicks(_ bounds: ClosedRange<Double>) -> [Double] {
    let powers = Int(log10(bounds.lowerBound).rounded(.down))...Int(log10(bounds.upperBound).rounded(.up))
    for mantissas in [[1.0], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]] {
      let ticks = powers.flatMap { power in
        mantissas.map { power < 0 ? $0 / pow(10, Double(-power)) : $0 * pow(10, Double(power)) }
      }.filter { bounds.contains($0) }
      guard ticks.count >= 4 else { continue }
      let stride = (ticks.count + 8) / 9
      return ticks.enumerated().filter { $0.offset % stride == 0 }.map(\.element)
    }
    return linearTicks(bounds)
  }

  /// What a tick is called: "40 MB", "0.05", "1e-6".
  package func name(_ tick: Double) -> String {
    switch unit {
    case .none: return Self.shortest(tick)
    case .bytes:
      let units = ["B", "kB", "MB", "GB", "TB", "PB"]
      var value = tick, index = 0
      while value >= 1000, index + 1 < units.count { (value, index) = (value / 1000, index + 1) }
      return "\(Self.shortest(value)) \(units[index])"
    }
  }

  /// A number that need not be a tick, in three digits.
  func amount(_ value: Double) -> String {
    switch unit {
    case .none: value.threeDigits
    case .bytes: "\(ByteSize(Int(value)))"
    }
  }

  /// As few digits as tell the number.
  private static func shortest(_ value: Double) -> String {
    if value == 0 { return "0" }
    guard (1e-4..<1e7).contains(value.magnitude) else {
      // Logarithms are rounded: that of 1e-100 may be a little below -100.
      let power = (log10(value.magnitude) + 1e-9).rounded(.down), mantissa = value / pow(10, power)
      return "\(shortest((mantissa * 1e5).rounded() / 1e5))e\(Int(power))"
    }
    for digits in 0..<8 {
      let factor = pow(10, Double(digits)), scaled = value * factor
      if (scaled - scaled.rounded()).magnitude < 1e-6 * max(1, scaled.magnitude) { return value.fixed(digits) }
    }
    return value.fixed(8)
  }
}
