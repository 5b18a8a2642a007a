import Tensors

/// What a whole consists of: one bar, as SVG, whose parts are as long as they are large.
package struct StackedBar {
  /// The parts: what each is, and how large.
  private let parts: [(name: String, amount: Int)]
  /// The length of the bar when it is full.
  private let limit: Int

  private static let width = 960.0

  /// A bar; what is missing up to `limit` is drawn empty.
  package init(_ parts: [(name: String, amount: Int)], limit: Int?) {
    self.parts = parts
    self.limit = max(1, limit ?? 0, parts.reduce(0) { $0 + max(0, $1.amount) })
  }

  /// The bar.
  package var html: HTML {
    var left = 0.0
    let pieces = parts.enumerated().map { index, part -> HTML in
      let width = Self.width * Double(max(0, part.amount)) / Double(limit)
      defer { left += width }
      let name = "\(part.name.printable): \(ByteSize(part.amount))"
      let label: HTML =
        LabelPlacement.width(part.name) + 12 < width
        ? "<text x=\"\(left + 4)\" y=\"58\">\(part.name.printable)</text>" : ""
      return """
        <rect class="\(Chart.colour(index))" x="\(left)" y="2" width="\(width)" height="40"><title>\(name)</title></rect>\(label)

        """
    }
    let rest: HTML =
      left < Self.width - 1
      ? "<rect class=\"unused\" x=\"\(left)\" y=\"2\" width=\"\(Self.width - left)\" height=\"40\"><title>not used</title></rect>\n"
      : ""
    return """
      <figure><svg viewBox="0 0 \(Self.width) 64" role="img" aria-label="What the bytes of the file are">
      \(pieces)\(rest)</svg></figure>

      """
  }
}
