extension JinjaParser {
  /// What follows a value: attributes, indices, calls.
  mutating func postfix(_ value: JinjaExpression) throws(JinjaFailure) -> JinjaExpression {
    var value = value
    while true {
      if skip(symbol: ".") {
        value = try attribute(of: value)
      } else if skip(symbol: "[") {
        value = try item(of: value)
      } else if isAt(symbol: "(") {
        value = try call(value)
      } else {
        return value
      }
    }
  }

  private mutating func attribute(of value: JinjaExpression) throws(JinjaFailure) -> JinjaExpression {
    guard case .int(let index) = current.kind else {
      return try JinjaExpression(.attribute(of: value, try name()), over: [value])
    }
    advance()
    return try JinjaExpression(.item(of: value, try JinjaExpression(.literal(.int(index)))), over: [value])
  }

  private mutating func item(of value: JinjaExpression) throws(JinjaFailure) -> JinjaExpression {
    let start = isAt(symbol: ":") ? nil : try expression()
    guard isAt(symbol: ":") else {
      try expect(.symbol("]"))
      guard let start else { throw failure("an index is expected") }
      return try JinjaExpression(.item(of: value, start), over: [value, start])
    }
    var bounds: [JinjaExpression?] = []
    while bounds.count < 2, skip(symbol: ":") {
      bounds.append(isAt(symbol: ":") || isAt(symbol: "]") ? nil : try expression())
    }
    try expect(.symbol("]"))
    let slice = JinjaExpression.Slice(start: start, stop: bounds[0], step: bounds.count > 1 ? bounds[1] : nil)
    return try JinjaExpression(
      .slice(of: value, slice), over: [value] + [slice.start, slice.stop, slice.step].compactMap { $0 })
  }

  private mutating func call(_ value: JinjaExpression) throws(JinjaFailure) -> JinjaExpression {
    let arguments = try arguments()
    return try JinjaExpression(.call(value, arguments), over: [value] + arguments.all)
  }

  private mutating func arguments() throws(JinjaFailure) -> JinjaArguments {
    var arguments = JinjaArguments()
    try expect(.symbol("("))
    while !isAt(symbol: ")") {
      try argument(&arguments)
      guard isAt(symbol: ")") || skip(symbol: ",") else { throw failure("a comma is expected, not \(current.description)") }
    }
    advance()
    return arguments
  }

  private mutating func argument(_ arguments: inout JinjaArguments) throws(JinjaFailure) {
    if skip(symbol: "*") {
      guard arguments.spread == nil, arguments.namedSpread == nil else { throw failure("these arguments are out of order") }
      arguments.spread = try expression()
    } else if skip(symbol: "**") {
      guard arguments.namedSpread == nil else { throw failure("these arguments are out of order") }
      arguments.namedSpread = try expression()
    } else if case .name(let name) = current.kind, following.kind == .symbol("=") {
      guard arguments.namedSpread == nil else { throw failure("these arguments are out of order") }
      advance()
      advance()
      arguments.named.append((name, try expression()))
    } else {
      guard arguments.named.isEmpty, arguments.spread == nil, arguments.namedSpread == nil else {
        throw failure("these arguments are out of order")
      }
      arguments.positional.append(try expression())
    }
  }

  // MARK: Filters and tests

  /// Filters, tests and calls after a value.
  mutating func filtersAndTests(_ value: JinjaExpression) throws(JinjaFailure) -> JinjaExpression {
    var value = value
    while true {
      if skip(symbol: "|") {
        let (name, arguments) = try filter()
        value = try JinjaExpression(.filter(value, name, arguments), over: [value] + arguments.all)
      } else if skip("is") {
        value = try test(value)
      } else if isAt(symbol: "(") {
        value = try call(value)
      } else {
        return value
      }
    }
  }

  /// A filter's name and arguments.
  mutating func filter() throws(JinjaFailure) -> (name: String, arguments: JinjaArguments) {
    (try dottedName(), isAt(symbol: "(") ? try arguments() : JinjaArguments())
  }

  private mutating func dottedName() throws(JinjaFailure) -> String {
    var result = try name()
    while skip(symbol: ".") { result += "." + (try name()) }
    return result
  }

  private mutating func test(_ value: JinjaExpression) throws(JinjaFailure) -> JinjaExpression {
    let isNegated = skip("not")
    let name = try dottedName()
    var arguments = JinjaArguments()
    if isAt(symbol: "(") {
      arguments = try self.arguments()
    } else if startsTestArgument {
      guard !isAt("is") else { throw failure("tests cannot be chained") }
      let operand = try primary()
      arguments.positional = [try postfix(operand)]
    }
    let test = try JinjaExpression(.test(value, name, arguments), over: [value] + arguments.all)
    return isNegated ? try JinjaExpression(.not(test), over: [test]) : test
  }

  /// Whether what is here is the argument of a test without parentheses.
  private var startsTestArgument: Bool {
    switch current.kind {
    case .name(let name): !["else", "or", "and"].contains(name)
    case .text, .int, .float, .symbol("["), .symbol("{"): true
    default: false
    }
  }
}
