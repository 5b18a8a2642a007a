import Tensors

/// What is wrong with a template, or with what it does to a conversation.
struct JinjaFailure: Error {
  /// The rule of `formats/templates.md` that is broken.
  enum Rule: Int {
    case limits = 1
    case syntax = 2
    case names = 3
    case sandbox = 4
    case values = 5
    case refusal = 6
  }

  var rule: Rule
  var message: String
  var line: Int?

  init(_ rule: Rule, _ message: String, line: Int? = nil) {
    self.rule = rule
    self.message = message
    self.line = line
  }

  /// The same failure, said of `line` if none was named yet.
  func at(line: Int) -> JinjaFailure {
    var failure = self
    failure.line = self.line ?? line
    return failure
  }

  /// As the error that every room throws.
  var error: LMToolError {
    let place = line.map { "line \($0): " } ?? ""
    let subject = rule == .refusal ? "the chat template refuses this conversation: " : "the chat template cannot be used: "
    return LMToolError(.badInput, subject + place + message.printable, rule: "TPL-\(rule.rawValue)")
  }
}

/// The limits of rule TPL-1.
enum JinjaLimit {
  /// Bytes of a template.
  static let templateBytes = 1 << 20
  /// Parentheses, statements and the like inside one another.
  static let nesting = 100
  /// Levels of an expression.
  static let expressionDepth = 200
  /// Statements, expressions and calls that are under way at the same time.
  static let runningDepth = 1000
  /// Levels of lists and mappings inside one another.
  static let valueDepth = 100
  /// Characters of a text, and of the output.
  static let characters = 1 << 22
  /// Steps of a run: an expression, a character that is written, an element that is copied.
  static let steps = 1 << 24
  /// Numbers of `range`, as in Jinja's sandbox.
  static let range = 100_000
}
