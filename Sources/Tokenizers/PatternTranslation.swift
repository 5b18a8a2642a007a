import Tensors

/// Rewrites a pattern from the syntax of tokenizer.json (Oniguruma with Ruby's rules) to PCRE2's.
///
/// The two agree on what tokenizers use, except for the classes that are spelled out here: PCRE2's `\s` has U+180E, which
/// is no white space in Unicode, and its `\w` lacks marks. What means something else in PCRE2 is refused.
func translatePattern(_ source: String) throws(LMToolError) -> String {
  var translation = PatternTranslation(source)
  return try translation.run()
}

private struct PatternTranslation {
  private let source: String
  private let input: [Unicode.Scalar]
  private var position = 0
  private var output = String.UnicodeScalarView()
  private var classDepth = 0

  init(_ source: String) {
    self.source = source
    input = Array(source.unicodeScalars)
  }

  mutating func run() throws(LMToolError) -> String {
    while position < input.count {
      let scalar = input[position]
      position += 1
      switch scalar {
      case "\\": try escape()
      case "[": try openBracket()
      case "]": closeBracket()
      case "&" where classDepth > 0 && position < input.count && input[position] == "&":
        throw refusal("an intersection of classes (&&)")
      default: output.append(scalar)
      }
    }
    return String(output)
  }

  private mutating func openBracket() throws(LMToolError) {
    if classDepth > 0, position < input.count, input[position] != ":" { throw refusal("a class inside a class") }
    output.append("[")
    if classDepth > 0 { return try copyPosixName() }
    classDepth = 1
    if position < input.count, input[position] == "^" { copy() }
    if position < input.count, input[position] == "]" { copy() }
  }

  /// Copies the rest of `[:alpha:]`, which stands inside a class.
  private mutating func copyPosixName() throws(LMToolError) {
    while position < input.count, input[position] != "]" { copy() }
    guard position < input.count else { throw refusal("a class without end") }
    copy()
  }

  private mutating func copy() {
    output.append(input[position])
    position += 1
  }

  private mutating func closeBracket() {
    classDepth = 0
    output.append("]")
  }

  private mutating func escape() throws(LMToolError) {
    guard position < input.count else { throw refusal("a backslash at the end") }
    let scalar = input[position]
    position += 1
    switch scalar {
    case "s": append("\\p{White_Space}")
    case "S": append("\\P{White_Space}")
    case "w": append(classDepth > 0 ? Self.word : "[\(Self.word)]")
    case "W" where classDepth == 0: append("[^\(Self.word)]")
    case "u": try unicodeEscape()
    case "W", "h", "H", "b", "B", "R", "X", "K", "G", "Z", "y", "Y", "O", "N", "C", "Q", "E", "g", "k":
      throw refusal("\\\(scalar)")
    default: append("\\\(scalar)")
    }
  }

  private static let word = "\\p{L}\\p{M}\\p{Nd}\\p{Pc}"

  /// `\u00E9`, which PCRE2 writes `\x{00E9}`.
  private mutating func unicodeEscape() throws(LMToolError) {
    let digits = String(String.UnicodeScalarView(input[position...].prefix(4)))
    guard digits.unicodeScalars.count == 4, UInt32(digits, radix: 16) != nil else { throw refusal("\\u without four digits") }
    position += 4
    append("\\x{\(digits)}")
  }

  private mutating func append(_ text: String) { output.append(contentsOf: text.unicodeScalars) }

  private func refusal(_ what: String) -> LMToolError {
    .tokenizer("the pattern \"\(source.printable)\" has \(what), which is not supported", rule: 8)
  }
}
