/// Finds a place for the label of each point of a chart where it covers neither marks nor other labels.
struct LabelPlacement {
  /// A rectangle in pixels.
  struct Box {
    var left: Double
    var top: Double
    var right: Double
    var bottom: Double

    func meets(_ other: Box) -> Bool {
      left < other.right && other.left < right && top < other.bottom && other.top < bottom
    }

    func contains(_ other: Box) -> Bool {
      left <= other.left && top <= other.top && right >= other.right && bottom >= other.bottom
    }
  }

  /// Where a label stands: the start, middle or end of its baseline.
  struct Place: Equatable {
    var x: Double
    var y: Double
    var anchor: String
  }

  private let plot: Box
  private var taken: [Box]

  /// Labels stay inside `plot` and off the marks, which stand at `marks`.
  init(plot: Box, marks: [(x: Double, y: Double)]) {
    self.plot = plot
    taken = marks.map { Box(left: $0.x - 5, top: $0.y - 5, right: $0.x + 5, bottom: $0.y + 5) }
  }

  /// The estimated width of a text in pixels.
  static func width(_ text: String) -> Double { 6.3 * Double(text.count) }

  /// The place of the label of the mark at (x, y): right of it where there is room, else left, above or below.
  mutating func place(_ text: String, x: Double, y: Double) -> Place {
    let places = [
      Place(x: x + 9, y: y + 4, anchor: "start"), Place(x: x - 9, y: y + 4, anchor: "end"),
      Place(x: x, y: y - 10, anchor: "middle"), Place(x: x, y: y + 19, anchor: "middle"),
      Place(x: x + 7, y: y - 8, anchor: "start"), Place(x: x + 7, y: y + 16, anchor: "start"),
      Place(x: x - 7, y: y - 8, anchor: "end"), Place(x: x - 7, y: y + 16, anchor: "end"),
    ]
    let boxes = places.map { Self.box(text, $0) }
    let index = boxes.indices.first { index in plot.contains(boxes[index]) && !taken.contains { $0.meets(boxes[index]) } }
    let chosen = index ?? boxes.indices.first { plot.contains(boxes[$0]) } ?? 0
    taken.append(boxes[chosen])
    return places[chosen]
  }

  private static func box(_ text: String, _ place: Place) -> Box {
    let width = width(text)
    let left = place.anchor == "start" ? place.x : place.anchor == "end" ? place.x - width : place.x - width / 2
    return Box(left: left, top: place.y - 10, right: left + width, bottom: place.y + 3)
  }
}
