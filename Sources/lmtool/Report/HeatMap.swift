import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Numbers of a grid of rows and columns, each with a colour for its size: the larger, the stronger.
package struct HeatMap {
  /// Names of the rows.
  private let rows: [String]
  /// Names of the columns.
  private let columns: [String]
  /// By row and column; nil where there is nothing.
  private let values: [[Double?]]
  private let isLogarithmic: Bool
  private let bounds: (low: Double, high: Double)

  /// A map; on a logarithmic one what is not positive has no colour.
  package init(rows: [String], columns: [String], values: [[Double?]], isLogarithmic: Bool = false) {
    self.rows = rows
    self.columns = columns
    self.values = values
    self.isLogarithmic = isLogarithmic
    let shown = values.joined().compactMap { $0 }.filter { $0.isFinite && (!isLogarithmic || $0 > 0) }
    bounds = (shown.min() ?? 0, shown.max() ?? 0)
  }

  /// The map with its scale.
  package var html: HTML {
    let head = columns.map { name -> HTML in "<th scope=\"col\">\(name.printable)</th>" }
    let body = zip(rows, values).map { name, values -> HTML in
      "<tr><th scope=\"row\">\(name.printable)</th>\(values.map(cell))</tr>\n"
    }
    return """
      <div class="wide"><table class="heat">
      <thead><tr><th scope="col">layer</th>\(head)</tr></thead>
      <tbody>
      \(body)</tbody>
      </table></div>
      <p class="soft">\(number(bounds.low))<span class="scale" style="background: linear-gradient(to right, \
      \(Self.colour(0)), \(Self.colour(1)))"></span>\(number(bounds.high))\(isLogarithmic ? ", logarithmic" : "")</p>

      """
  }

  private func cell(_ value: Double?) -> HTML {
    guard let value else { return "<td></td>" }
    guard let strength = strength(value) else { return "<td>\(number(value))</td>" }
    let text = number(value), style = "background: \(Self.colour(strength))"
    return strength > 0.5 ? "<td class=\"high\" style=\"\(style)\">\(text)</td>" : "<td style=\"\(style)\">\(text)</td>"
  }

  /// From 0 for the least number to 1 for the largest.
  private func strength(_ value: Double) -> Double? {
    guard value >= bounds.low, value <= bounds.high, value.isFinite else { return nil }
    guard bounds.high > bounds.low else { return 0.5 }
    if isLogarithmic { return log(value / bounds.low) / log(bounds.high / bounds.low) }
    return (value - bounds.low) / (bounds.high - bounds.low)
  }

  /// Between the page, light or dark, and the colour that stands out from it.
  private static func colour(_ strength: Double) -> String {
    "color-mix(in srgb, var(--heat) \((6 + 94 * strength).fixed(0))%, var(--page))"
  }

  private func number(_ value: Double) -> String { isLogarithmic ? value.scientific : value.fixed(2) }
}
