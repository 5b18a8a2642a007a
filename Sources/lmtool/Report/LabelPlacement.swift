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

  /// Keeps labels off a line.
  mutating func avoid(from start: (x: Double, y: Double), to end: (x: Double, y: Double)) {
    let pieces = max(1, Int(max((end.x - start.x).magnitude, (end.y - start.y).magnitude) / 6))
    for piece in 0...pieces {
      let part = Double(piece) / Double(pieces)
      let x = start.x + part * (end.x - start.x), y = start.y + part * (end.y - start.y)
      taken.append(Box(left: x - 1, top: y - 1, right: x + 1, bottom: y + 1))
    }
  }

  /// The place of the label of a horizontal line at `y`: above or below it, at its left or right end.
  mutating func place(_ text: String, lineAt y: Double) -> Place? {
    choose(
      text,
      [
        Place(x: plot.left + 6, y: y - 6, anchor: "start"), Place(x: plot.left + 6, y: y + 15, anchor: "start"),
        Place(x: plot.right - 6, y: y - 6, anchor: "end"), Place(x: plot.right - 6, y: y + 15, anchor: "end"),
      ])
  }

  /// The estimated width of a text in pixels.
  static func width(_ text: String) -> Double { 6.7 * Double(text.count) }

  /// The place of the label of the mark at (x, y): right of it where there is room, else left, above or below; nil where all is taken.
  mutating func place(_ text: String, x: Double, y: Double) -> Place? {
    choose(
      text,
      [
        Place(x: x + 9, y: y + 4, anchor: "start"), Place(x: x - 9, y: y + 4, anchor: "end"),
        Place(x: x, y: y - 10, anchor: "middle"), Place(x: x, y: y + 19, anchor: "middle"),
        Place(x: x + 7, y: y - 8, anchor: "start"), Place(x: x + 7, y: y + 16, anchor: "start"),
        Place(x: x - 7, y: y - 8, anchor: "end"), Place(x: x - 7, y: y + 16, anchor: "end"),
        Place(x: x + 7, y: y - 24, anchor: "start"), Place(x: x - 7, y: y - 24, anchor: "end"),
      ])
  }

  /// The first place that is free.
  private mutating func choose(_ text: String, _ places: [Place]) -> Place? {
    for place in places {
      let box = Self.box(text, place)
      guard plot.contains(box), !taken.contains(where: { $0.meets(box) }) else { continue }
      taken.append(box)
      return place
    }
    return nil
  }

  private static func box(_ text: String, _ place: Place) -> Box {
    let width = width(text)
    let left = place.anchor == "start" ? place.x : place.anchor == "end" ? place.x - width : place.x - width / 2
    return Box(left: left, top: place.y - 10, right: left + width, bottom: place.y + 3)
  }
}
