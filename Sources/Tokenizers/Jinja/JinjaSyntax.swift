/// A part of an expression, with how many levels it has.
struct JinjaExpression: Sendable {
  /// A constant.
  enum Literal: Sendable {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case text(String)
  }

  /// Operators of two values.
  enum Operator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
  }

  /// Comparisons, which may be chained.
  enum Comparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
  }

  /// A comparison and its right side.
  struct Compared: Sendable {
    var comparison: Comparison
    var with: JinjaExpression
  }

  /// The bounds of a slice.
  struct Slice: Sendable {
    var start: JinjaExpression?
    var stop: JinjaExpression?
    var step: JinjaExpression?
  }

  /// What it is made of.
  indirect enum Kind: Sendable {
    case literal(Literal)
    case name(String)
    case list([JinjaExpression])
    case tuple([JinjaExpression])
    case mapping([(key: JinjaExpression, value: JinjaExpression)])
    case attribute(of: JinjaExpression, String)
    case item(of: JinjaExpression, JinjaExpression)
    case slice(of: JinjaExpression, Slice)
    case call(JinjaExpression, JinjaArguments)
    case filter(JinjaExpression, String, JinjaArguments)
    case test(JinjaExpression, String, JinjaArguments)
    case not(JinjaExpression)
    case negative(JinjaExpression)
    case positive(JinjaExpression)
    case binary(Operator, JinjaExpression, JinjaExpression)
    case and(JinjaExpression, JinjaExpression)
    case or(JinjaExpression, JinjaExpression)
    case comparison(JinjaExpression, [Compared])
    case concatenation([JinjaExpression])
    case conditional(test: JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?)
  }

  let kind: Kind
  let depth: Int

  /// - Throws: TPL-1 when there are too many levels.
  init(_ kind: Kind, over parts: [JinjaExpression] = []) throws(JinjaFailure) {
    self.kind = kind
    depth = 1 + (parts.map(\.depth).max() ?? 0)
    guard depth <= JinjaLimit.expressionDepth else {
      throw JinjaFailure(.limits, "an expression has more than \(JinjaLimit.expressionDepth) levels")
    }
  }
}

/// The arguments of a call, a filter or a test.
struct JinjaArguments: Sendable {
  var positional: [JinjaExpression] = []
  var named: [(name: String, value: JinjaExpression)] = []
  /// `*list` and `**mapping`.
  var spread: JinjaExpression?
  var namedSpread: JinjaExpression?

  /// All expressions among them.
  var all: [JinjaExpression] { positional + named.map(\.value) + [spread, namedSpread].compactMap { $0 } }
}

/// A statement of a template, with its line.
struct JinjaStatement: Sendable {
  /// What a value is assigned to.
  enum Target: Sendable {
    case name(String)
    case attribute(of: String, String)
    case tuple([Target])
  }

  /// `for`.
  struct For: Sendable {
    var target: Target
    var sequence: JinjaExpression
    var test: JinjaExpression?
    var body: [JinjaStatement]
    var otherwise: [JinjaStatement]
  }

  /// `macro`, and the body of a call block.
  struct Macro: Sendable {
    var name: String
    var parameters: [(name: String, standard: JinjaExpression?)]
    var body: [JinjaStatement]
    /// Whether the body reads `varargs`, or `kwargs`: only then a call may have arguments that no parameter takes.
    var readsVarargs: Bool
    var readsKwargs: Bool
  }

  /// A filter without its operand.
  struct Filter: Sendable {
    var name: String
    var arguments: JinjaArguments
  }

  /// A condition and what happens under it.
  struct Branch: Sendable {
    var test: JinjaExpression
    var body: [JinjaStatement]
  }

  /// What it is.
  indirect enum Kind: Sendable {
    case data(String)
    case output(JinjaExpression)
    case set(Target, JinjaExpression)
    case setBlock(Target, [Filter], [JinjaStatement])
    case branches([Branch], otherwise: [JinjaStatement])
    case loop(For)
    case macro(Macro)
    case call(Macro, JinjaExpression, JinjaArguments)
    case filter([Filter], [JinjaStatement])
    case with([(target: Target, value: JinjaExpression)], [JinjaStatement])
    case generation([JinjaStatement])
    case leaveLoop
    case nextRound
  }

  var kind: Kind
  var line: Int
}
