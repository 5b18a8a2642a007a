import Tensors

/// A chart of points in two dimensions, as SVG.
package struct Chart: Sendable {
  /// A point with its name.
  package struct Point: Sendable {
    /// The number on the horizontal axis.
    var x: Double
    /// The number on the vertical axis.
    var y: Double
    /// What stands beside it.
    var label: String

    /// A point.
    package init(x: Double, y: Double, label: String) {
      self.x = x
      self.y = y
      self.label = label
    }
  }

  /// Points of one kind, in one colour and shape.
  package struct Series: Sendable {
    /// What the legend says.
    var name: String
    /// The points.
    var points: [Point]
    /// Whether a line leads from point to point, from left to right.
    var isConnected: Bool

    /// A series.
    package init(_ name: String, points: [Point], isConnected: Bool = false) {
      self.name = name
      self.points = points
      self.isConnected = isConnected
    }
  }

  private let title: String
  private let x: Axis
  private let y: Axis
  private let series: [Series]
  private let reference: (value: Double, label: String)?

  private static let width = 640.0, height = 420.0
  private static let plot = LabelPlacement.Box(left: 62, top: 58, right: 622, bottom: 366)

  /// A chart; `reference` is a horizontal line.
  package init(_ title: String, x: Axis, y: Axis, series: [Series], reference: (value: Double, label: String)? = nil) {
    self.title = title
    self.x = x
    self.y = y
    self.series = series
    self.reference = reference
  }

  /// The chart as a figure; its caption says which points an axis cannot show.
  package var html: HTML {
    let missing = series.flatMap(\.points).filter { spot($0.x, $0.y) == nil }
    let caption: HTML =
      missing.isEmpty
      ? "" : "<figcaption>Not drawn, off the scale: \(missing.map(\.label.printable).joined(separator: ", ")).</figcaption>"
    return """
      <figure><svg viewBox="0 0 \(Self.width) \(Self.height)" role="img" aria-label="\(title)">
      <text class="title" x="\(Self.plot.left)" y="18">\(title)</text>
      \(legend)\(grid)\(drawn)
      </svg>\(caption)</figure>

      """
  }

  /// Where numbers lie in the drawing; nil when they are off the scale.
  private func spot(_ valueX: Double, _ valueY: Double) -> (x: Double, y: Double)? {
    guard let across = x.position(valueX), let up = y.position(valueY) else { return nil }
    guard (0...1).contains(across), (0...1).contains(up) else { return nil }
    let plot = Self.plot
    return (plot.left + across * (plot.right - plot.left), plot.bottom - up * (plot.bottom - plot.top))
  }

  private var grid: HTML {
    let plot = Self.plot
    let columns = x.ticks.compactMap { tick -> HTML? in
      guard let spot = spot(tick, y.bounds.lowerBound) else { return nil }
      return """
        <line x1="\(spot.x)" y1="\(plot.top)" x2="\(spot.x)" y2="\(plot.bottom)"/>\
        <text class="soft" text-anchor="middle" x="\(spot.x)" y="\(plot.bottom + 17)">\(x.name(tick))</text>

        """
    }
    let rows = y.ticks.compactMap { tick -> HTML? in
      guard let spot = spot(x.bounds.lowerBound, tick) else { return nil }
      return """
        <line x1="\(plot.left)" y1="\(spot.y)" x2="\(plot.right)" y2="\(spot.y)"/>\
        <text class="soft" text-anchor="end" x="\(plot.left - 7)" y="\(spot.y + 4)">\(y.name(tick))</text>

        """
    }
    let middle = (plot.top + plot.bottom) / 2
    return """
      <g class="grid">
      \(columns)\(rows)</g>
      <rect class="frame" x="\(plot.left)" y="\(plot.top)" width="\(plot.right - plot.left)" height="\(plot.bottom - plot.top)"/>
      <text class="soft" text-anchor="middle" x="\((plot.left + plot.right) / 2)" y="\(plot.bottom + 40)">\(x.title)</text>
      <text class="soft" text-anchor="middle" transform="translate(14 \(middle)) rotate(-90)">\(y.title)</text>

      """
  }

  /// The horizontal line with its label, which other labels then avoid.
  private func referenceLine(_ placement: inout LabelPlacement) -> HTML {
    guard let reference, let spot = spot(x.bounds.lowerBound, reference.value) else { return "" }
    let plot = Self.plot
    let label = placement.place(reference.label, lineAt: spot.y).map { Self.label(reference.label, $0, style: "soft") }
    placement.avoid(from: (plot.left, spot.y), to: (plot.right, spot.y))
    return """
      <line class="reference" x1="\(plot.left)" y1="\(spot.y)" x2="\(plot.right)" y2="\(spot.y)"/>\(label ?? "")

      """
  }

  /// Lines first, then marks, then labels, so that nothing covers what was drawn for the reader.
  private var drawn: HTML {
    let spots = series.map { series in
      series.points.sorted { $0.x < $1.x }.compactMap { point in spot(point.x, point.y).map { (point: point, at: $0) } }
    }
    var placement = LabelPlacement(plot: Self.plot, marks: spots.joined().map(\.at))
    for (spots, series) in zip(spots, series) where series.isConnected {
      for (one, next) in zip(spots, spots.dropFirst()) { placement.avoid(from: one.at, to: next.at) }
    }
    var lines = [referenceLine(&placement)], marks: [HTML] = [], labels: [HTML] = []
    for (index, spots) in spots.enumerated() {
      if series[index].isConnected, spots.count > 1 {
        let points = spots.map { "\($0.at.x.fixed(1)),\($0.at.y.fixed(1))" }.joined(separator: " ")
        lines.append("<polyline class=\"\(Self.colour(index))\" points=\"\(points)\"/>\n")
      }
      for (point, at) in spots {
        let name = [series[index].name, point.label.printable].filter { !$0.isEmpty }.joined(separator: ", ")
        let detail = "\(name): \(x.amount(point.x)), \(y.amount(point.y))"
        marks.append(Self.mark(index, x: at.x, y: at.y, title: detail))
        // In a crowd a label would be unreadable: the mark tells its name when it is pointed at, and the table has it.
        let text = String(point.label.printable.prefix(40))
        if !text.isEmpty, let place = placement.place(text, x: at.x, y: at.y) {
          labels.append(Self.label(text, place, style: "label"))
        }
      }
    }
    return HTML(lines + marks + labels)
  }

  private static func label(_ text: String, _ place: LabelPlacement.Place, style: String) -> HTML {
    "<text class=\"\(style)\" text-anchor=\"\(place.anchor)\" x=\"\(place.x)\" y=\"\(place.y)\">\(text)</text>\n"
  }

  private var legend: HTML {
    var left = Self.plot.left + 6
    let items = series.enumerated().map { index, series -> HTML in
      let item: HTML = """
        \(Self.mark(index, x: left, y: 38, title: series.name))<text x="\(left + 11)" y="42">\(series.name)</text>

        """
      left += 32 + LabelPlacement.width(series.name)
      return item
    }
    return HTML(items)
  }

  /// The class of the colour of a series or a part.
  static func colour(_ index: Int) -> String { "s\(index % 8)" }

  /// Circle, square, diamond, triangle.
  private static func mark(_ index: Int, x: Double, y: Double, title: String) -> HTML {
    let shapes = [
      "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z", "M-4 -4h8v8h-8z", "M0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
      "M0 -5l5 9h-10z",
    ]
    return """
      <path class="\(colour(index))" transform="translate(\(x) \(y))" d="\(shapes[index % shapes.count])">\
      <title>\(title)</title></path>

      """
  }
}
