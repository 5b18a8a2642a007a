/// A piece of HTML. What is interpolated is escaped unless it is HTML itself, so that no name from a file becomes markup.
///
/// Elements are written as XML wants them too: every one is closed.
package struct HTML: Sendable, Equatable, ExpressibleByStringInterpolation {
  /// The markup.
  package let markup: String

  /// Markup as it stands in the code.
  package init(stringLiteral literal: String) { markup = literal }

  /// Markup of the code with values in it.
  package init(stringInterpolation: StringInterpolation) { markup = stringInterpolation.markup }

  /// Pieces, one after the other.
  package init(_ pieces: [HTML]) { markup = pieces.map(\.markup).joined() }

  /// Collects markup and values.
  package struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var markup = ""

    /// Nothing yet.
    package init(literalCapacity: Int, interpolationCount: Int) { markup.reserveCapacity(literalCapacity) }

    /// Adds markup of the code.
    package mutating func appendLiteral(_ literal: String) { markup += literal }

    /// Adds text, escaped.
    package mutating func appendInterpolation(_ text: String) {
      for scalar in text.unicodeScalars {
        switch scalar {
        case "&": markup += "&amp;"
        case "<": markup += "&lt;"
        case ">": markup += "&gt;"
        case "\"": markup += "&quot;"
        case "'": markup += "&#39;"
        default: markup.unicodeScalars.append(scalar.isForbidden ? "\u{FFFD}" : scalar)
        }
      }
    }

    /// Adds HTML.
    package mutating func appendInterpolation(_ html: HTML) { markup += html.markup }

    /// Adds pieces of HTML, one after the other.
    package mutating func appendInterpolation(_ pieces: [HTML]) { for piece in pieces { markup += piece.markup } }

    /// Adds a whole number.
    package mutating func appendInterpolation(_ number: Int) { markup += "\(number)" }

    /// Adds a coordinate, to a tenth of a pixel.
    package mutating func appendInterpolation(_ coordinate: Double) { markup += coordinate.fixed(1) }
  }
}

extension Unicode.Scalar {
  /// Whether XML has no place for it.
  fileprivate var isForbidden: Bool { isControl && self != "\n" && self != "\t" || value & 0xFFFE == 0xFFFE }
}
