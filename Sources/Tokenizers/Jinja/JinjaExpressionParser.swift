extension JinjaParser {
  /// One expression, or several with commas between them: a tuple.
  mutating func tuple(allowsConditional: Bool = true, mayBeEmpty: Bool = false) throws(JinjaFailure) -> JinjaExpression {
    var parts: [JinjaExpression] = []
    var isTuple = false
    while !(isTupleEnd && (isTuple || mayBeEmpty)) {
      parts.append(try expression(allowsConditional: allowsConditional))
      guard skip(symbol: ",") else { break }
      isTuple = true
    }
    if !isTuple, let only = parts.first { return only }
    return try JinjaExpression(.tuple(parts), over: parts)
  }

  private var isTupleEnd: Bool {
    switch current.kind {
    case .variableEnd, .blockEnd, .symbol(")"), .name("in"): true
    default: false
    }
  }

  /// An expression, by Jinja's grammar.
  mutating func expression(allowsConditional: Bool = true) throws(JinjaFailure) -> JinjaExpression {
    try nested { (parser) throws(JinjaFailure) in
      allowsConditional ? try parser.conditional() : try parser.or()
    }
  }

  private mutating func conditional() throws(JinjaFailure) -> JinjaExpression {
    var value = try or()
    while skip("if") {
      let test = try or()
      let otherwise = skip("else") ? try nested { (parser) throws(JinjaFailure) in try parser.conditional() } : nil
      let parts = [value, test] + [otherwise].compactMap { $0 }
      value = try JinjaExpression(.conditional(test: test, then: value, otherwise: otherwise), over: parts)
    }
    return value
  }

  private mutating func or() throws(JinjaFailure) -> JinjaExpression {
    var left = try and()
    while skip("or") {
      let right = try and()
      left = try JinjaExpression(.or(left, right), over: [left, right])
    }
    return left
  }

  private mutating func and() throws(JinjaFailure) -> JinjaExpression {
    var left = try not()
    while skip("and") {
      let right = try not()
      left = try JinjaExpression(.and(left, right), over: [left, right])
    }
    return left
  }

  private mutating func not() throws(JinjaFailure) -> JinjaExpression {
    guard skip("not") else { return try comparison() }
    let value = try nested { (parser) throws(JinjaFailure) in try parser.not() }
    return try JinjaExpression(.not(value), over: [value])
  }

  // MARK: Operators

  private mutating func comparison() throws(JinjaFailure) -> JinjaExpression {
    let first = try sum()
    var others: [JinjaExpression.Compared] = []
    while let comparison = comparisonHere() { others.append(.init(comparison: comparison, with: try sum())) }
    return others.isEmpty ? first : try JinjaExpression(.comparison(first, others), over: [first] + others.map(\.with))
  }

  private mutating func comparisonHere() -> JinjaExpression.Comparison? {
    switch current.kind {
    case .symbol(let symbol):
      guard let comparison = JinjaExpression.Comparison(rawValue: symbol) else { return nil }
      advance()
      return comparison
    case .name("in"):
      advance()
      return .isIn
    case .name("not") where following.kind == .name("in"):
      advance()
      advance()
      return .isNotIn
    default: return nil
    }
  }

  private mutating func sum() throws(JinjaFailure) -> JinjaExpression {
    var left = try concatenation()
    while let symbol = operatorHere(["+", "-"]) {
      let right = try concatenation()
      left = try JinjaExpression(.binary(symbol, left, right), over: [left, right])
    }
    return left
  }

  private mutating func concatenation() throws(JinjaFailure) -> JinjaExpression {
    var parts = [try product()]
    while skip(symbol: "~") { parts.append(try product()) }
    return parts.count == 1 ? parts[0] : try JinjaExpression(.concatenation(parts), over: parts)
  }

  private mutating func product() throws(JinjaFailure) -> JinjaExpression {
    var left = try power()
    while let symbol = operatorHere(["*", "/", "//", "%"]) {
      let right = try power()
      left = try JinjaExpression(.binary(symbol, left, right), over: [left, right])
    }
    return left
  }

  private mutating func power() throws(JinjaFailure) -> JinjaExpression {
    var left = try unary(takesFilters: true)
    while let symbol = operatorHere(["**"]) {
      let right = try unary(takesFilters: true)
      left = try JinjaExpression(.binary(symbol, left, right), over: [left, right])
    }
    return left
  }

  private mutating func operatorHere(_ symbols: [String]) -> JinjaExpression.Operator? {
    guard case .symbol(let symbol) = current.kind, symbols.contains(symbol) else { return nil }
    advance()
    return JinjaExpression.Operator(rawValue: symbol)
  }

  private mutating func unary(takesFilters: Bool) throws(JinjaFailure) -> JinjaExpression {
    var value: JinjaExpression
    if isAt(symbol: "-") || isAt(symbol: "+") {
      let isNegative = isAt(symbol: "-")
      advance()
      let operand = try nested { (parser) throws(JinjaFailure) in try parser.unary(takesFilters: false) }
      value = try JinjaExpression(isNegative ? .negative(operand) : .positive(operand), over: [operand])
    } else {
      value = try primary()
    }
    value = try postfix(value)
    return takesFilters ? try filtersAndTests(value) : value
  }

  // MARK: Values

  /// A constant, a name, or what stands in brackets.
  mutating func primary() throws(JinjaFailure) -> JinjaExpression {
    let kind = current.kind
    switch kind {
    case .name(let name):
      advance()
      if name == "varargs" || name == "kwargs" { extras.insert(name) }
      return try JinjaExpression(Self.constant(name).map { .literal($0) } ?? .name(name))
    case .text(var text):
      advance()
      while case .text(let more) = current.kind {
        text += more
        advance()
      }
      return try JinjaExpression(.literal(.text(text)))
    case .int(let value):
      advance()
      return try JinjaExpression(.literal(.int(value)))
    case .float(let value):
      advance()
      return try JinjaExpression(.literal(.float(value)))
    case .symbol("("):
      advance()
      let value = try nested { (parser) throws(JinjaFailure) in try parser.tuple(mayBeEmpty: true) }
      try expect(.symbol(")"))
      return value
    case .symbol("["): return try list()
    case .symbol("{"): return try mapping()
    default: throw failure("a value is expected, not \(current.description)")
    }
  }

  private static func constant(_ name: String) -> JinjaExpression.Literal? {
    switch name {
    case "true", "True": .bool(true)
    case "false", "False": .bool(false)
    case "none", "None": JinjaExpression.Literal.none
    default: nil
    }
  }

  private mutating func list() throws(JinjaFailure) -> JinjaExpression {
    advance()
    var items: [JinjaExpression] = []
    while !isAt(symbol: "]") {
      if !items.isEmpty { try expect(.symbol(",")) }
      if isAt(symbol: "]") { break }
      items.append(try expression())
    }
    advance()
    return try JinjaExpression(.list(items), over: items)
  }

  private mutating func mapping() throws(JinjaFailure) -> JinjaExpression {
    advance()
    var pairs: [(key: JinjaExpression, value: JinjaExpression)] = []
    while !isAt(symbol: "}") {
      if !pairs.isEmpty { try expect(.symbol(",")) }
      if isAt(symbol: "}") { break }
      let key = try expression()
      try expect(.symbol(":"))
      pairs.append((key, try expression()))
    }
    advance()
    return try JinjaExpression(.mapping(pairs), over: pairs.flatMap { [$0.key, $0.value] })
  }
}
