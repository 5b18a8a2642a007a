extension JinjaInterpreter {
  /// Whether `value is name(arguments)` holds.
  ///
  /// - Throws: TPL-3 for a test that is not known.
  func test(_ name: String, _ value: JinjaValue, _ arguments: [JinjaValue]) throws(JinjaFailure) -> Bool {
    if let comparison = Self.comparison(name) {
      guard arguments.count == 1 else { throw JinjaFailure(.values, "the test \(name) takes one argument") }
      return try holds(comparison, value, arguments[0])
    }
    switch name {
    case "odd", "even", "divisibleby": return try divides(name, value, arguments)
    case "sameas":
      guard arguments.count == 1 else { throw JinjaFailure(.values, "the test sameas takes one argument") }
      return value.typeName == arguments[0].typeName ? try equal(value, arguments[0]) : false
    case "lower", "upper": return try text(of: value).isAll(uppercase: name == "upper")
    case "filter", "test": throw JinjaFailure(.names, "the test \(name) is not supported")
    default:
      guard arguments.isEmpty else { throw JinjaFailure(.values, "the test \(name) takes no argument") }
      return try Self.isOf(kind: name, value)
    }
  }

  private static func comparison(_ name: String) -> JinjaExpression.Comparison? {
    switch name {
    case "eq", "equalto": .equal
    case "ne": .notEqual
    case "lt", "lessthan": .less
    case "le": .lessOrEqual
    case "gt", "greaterthan": .greater
    case "ge": .greaterOrEqual
    case "in": .isIn
    default: JinjaExpression.Comparison(rawValue: name)
    }
  }

  private func divides(_ name: String, _ value: JinjaValue, _ arguments: [JinjaValue]) throws(JinjaFailure) -> Bool {
    guard name == "divisibleby" ? arguments.count == 1 : arguments.isEmpty else {
      throw JinjaFailure(.values, "the test \(name) has a wrong number of arguments")
    }
    let remainder = try combine(.modulo, value, arguments.first ?? .int(2))
    return try equal(remainder, .int(name == "odd" ? 1 : 0))
  }

  private static func isOf(kind: String, _ value: JinjaValue) throws(JinjaFailure) -> Bool {
    switch (kind, value) {
    case ("defined", _): !value.isUndefined
    case ("undefined", _): value.isUndefined
    case ("none", .none), ("boolean", .bool), ("true", .bool(true)), ("false", .bool(false)), ("integer", .int),
      ("float", .float),
      ("number", .bool), ("number", .int), ("number", .float), ("string", .text), ("mapping", .mapping), ("callable", .callable):
      true
    case ("sequence", .undefined), ("sequence", .text), ("sequence", .mapping): true
    case ("sequence", .sequence(let sequence)): sequence.kind.isIndexed
    case ("iterable", .undefined), ("iterable", .text), ("iterable", .mapping), ("iterable", .sequence), ("iterable", .iterator),
      ("iterable", .loop):
      true
    case ("escaped", .text(let text)): text.isMarkup
    case ("none", _), ("boolean", _), ("true", _), ("false", _), ("integer", _), ("float", _), ("number", _), ("string", _),
      ("mapping", _), ("callable", _), ("sequence", _), ("iterable", _), ("escaped", _):
      false
    default: throw JinjaFailure(.names, "No test named '\(kind)'.")
    }
  }
}
