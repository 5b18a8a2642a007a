/// A token of a template, with its line.
struct JinjaToken: Sendable {
  /// What it is.
  enum Kind: Sendable, Equatable {
    case data(String)
    case variableBegin, variableEnd, blockBegin, blockEnd
    case name(String)
    case text(String)
    case int(Int)
    case float(Double)
    case symbol(String)
    case end
  }

  var kind: Kind
  var line: Int

  /// The token as it is called in an error.
  var description: String {
    switch kind {
    case .data: "text"
    case .variableBegin: "{{"
    case .variableEnd: "}}"
    case .blockBegin: "{%"
    case .blockEnd: "%}"
    case .name(let name): "the name \(name)"
    case .text: "a string"
    case .int, .float: "a number"
    case .symbol(let symbol): symbol
    case .end: "the end of the template"
    }
  }
}
