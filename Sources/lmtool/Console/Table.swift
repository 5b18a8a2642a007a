import Tensors

/// A table in plain text: columns aligned, a rule under the header, nothing at the ends of lines.
package struct Table: Sendable {
  /// On which side of its column a cell stands.
  package enum Alignment: Sendable { case left, right }

  /// A column: its title and where its cells stand.
  package struct Column: Sendable {
    var title: String
    var alignment: Alignment

    /// A column of words.
    package static func left(_ title: String = "") -> Column { Column(title: title, alignment: .left) }
    /// A column of numbers.
    package static func right(_ title: String = "") -> Column { Column(title: title, alignment: .right) }
  }

  /// What stands in a row and a column. Control characters are replaced and long texts are cut, to 2000 characters in the last
  /// column and 200 in others: names come from files that anyone may have written.
  package struct Cell: Sendable, ExpressibleByStringInterpolation {
    var text: String
    var style: Style?

    /// A cell; the style shows on terminals only.
    package init(_ text: String, _ style: Style? = nil) {
      self.text = text.harmless
      self.style = style
    }

    /// A plain cell.
    package init(stringLiteral text: String) { self.init(text) }
  }

  private let columns: [Column]
  private var rows: [[Cell]] = []

  /// A table without rows; without any title it has no header either.
  package init(_ columns: Column...) { self.init(columns) }

  /// The same of a list.
  package init(_ columns: [Column]) { self.columns = columns }

  /// Adds a row; cells that are missing at its end are empty.
  package mutating func add(_ cells: Cell...) { add(cells) }

  /// Adds a row; cells that are missing at its end are empty.
  package mutating func add(_ cells: [Cell]) {
    let missing = max(0, columns.count - cells.count)
    let short = cells.prefix(columns.count - 1).map { Cell($0.text.printable, $0.style) }
    rows.append(short + cells.dropFirst(columns.count - 1).prefix(1) + Array(repeating: "", count: missing))
  }

  /// The lines of the table, each with its newline.
  package func text(isColored: Bool = false) -> String {
    let header = columns.map { Cell($0.title, .bold) }
    let isTitled = columns.contains { !$0.title.isEmpty }
    let widths = columns.indices.map { column in
      ((isTitled ? [header] : []) + rows).map { $0[column].text.count }.max() ?? 0
    }
    let rule = widths.map { Cell(String(repeating: "-", count: $0), .dim) }
    let lines = (isTitled ? [header, rule] : []) + rows
    return lines.map { line($0, widths, isColored: isColored) + "\n" }.joined()
  }

  private func line(_ cells: [Cell], _ widths: [Int], isColored: Bool) -> String {
    var line = "", gap = 0
    for (index, cell) in cells.enumerated() where !cell.text.isEmpty || index + 1 < cells.count {
      let padding = widths[index] - cell.text.count
      let before = columns[index].alignment == .right ? padding : 0
      if !cell.text.isEmpty {
        let styled = cell.style?.apply(to: cell.text, isColored: isColored) ?? cell.text
        line += String(repeating: " ", count: gap + before) + styled
        gap = padding - before + 2
      } else {
        gap += widths[index] + 2
      }
    }
    return line
  }
}
