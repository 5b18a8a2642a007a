import Tensors

/// A regular expression for dotted names: it matches a name as a whole, or what follows a dot in it.
public struct NamePattern: Sendable {
  private let pattern: Pattern

  /// Compiles `source`.
  ///
  /// - Throws: `badInput` when the pattern is not understood or too big.
  public init(_ source: String) throws(LMToolError) { pattern = try Pattern("^(?:.*\\.)?(?:" + source + ")$") }

  /// Whether the pattern matches `name`; nil when telling costs more than the limits of TOK-8 allow.
  public func matches(_ name: String) -> Bool? {
    let matcher = Pattern.Matcher(pattern)
    let found = Array(name.utf8).withUnsafeBytes { text in
      matcher.match(in: text, from: 0).map { $0 == 0..<text.count } ?? false
    }
    return matcher.hasGivenUp ? nil : found
  }
}
