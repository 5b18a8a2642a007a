extension JinjaInterpreter {
  /// A binary operator, with Python's meaning.
  func combine(
    _ symbol: JinjaExpression.Operator, _ left: JinjaValue, _ right: JinjaValue
  ) throws(JinjaFailure) -> JinjaValue {
    for value in [left, right] { if case .undefined(let message) = value { throw JinjaFailure(.names, message) } }
    switch (symbol, left, right) {
    case (.add, .text(let first), .text(let second)): return .text(try join(first, second))
    case (.add, .sequence(let first), .sequence(let second)) where first.kind == second.kind && first.kind.isIndexed:
      try spend(first.items.count + second.items.count)
      return .sequence(try JinjaSequence(first.kind, first.items + second.items))
    case (.multiply, .text(let text), _) where right.integer != nil: return try repeated(text, right)
    case (.multiply, _, .text(let text)) where left.integer != nil: return try repeated(text, left)
    case (.multiply, .sequence(let sequence), _) where right.integer != nil: return try repeated(sequence, right)
    case (.multiply, _, .sequence(let sequence)) where left.integer != nil: return try repeated(sequence, left)
    case (.modulo, .text(let text), _): return .text(try printf(text, right))
    default: break
    }
    if let first = left.integer, let second = right.integer { return try combine(symbol, first, second) }
    if let first = left.number, let second = right.number { return try combine(symbol, first, second) }
    throw JinjaFailure(
      .values, "unsupported operand types for \(symbol.rawValue): '\(left.typeName)' and '\(right.typeName)'")
  }

  /// Two texts joined; what is not marked as safe is escaped when the other one is, as MarkupSafe does.
  private func join(_ first: JinjaText, _ second: JinjaText) throws(JinjaFailure) -> JinjaText {
    guard first.isMarkup || second.isMarkup else { return try checked(first + second) }
    return try checked(first.escapedUnlessMarkup + second.escapedUnlessMarkup)
  }

  private func repeated(_ text: JinjaText, _ count: JinjaValue) throws(JinjaFailure) -> JinjaValue {
    let length = text.count.multipliedReportingOverflow(by: max(count.integer ?? 0, 0))
    try spend(length: length.overflow ? .max : length.partialValue)
    return .text(
      JinjaText(
        units: repeatElement(text.units, count: text.isEmpty ? 0 : max(count.integer ?? 0, 0)).joined(), isMarkup: text.isMarkup))
  }

  private func repeated(_ sequence: JinjaSequence, _ count: JinjaValue) throws(JinjaFailure) -> JinjaValue {
    let length = sequence.items.count.multipliedReportingOverflow(by: max(count.integer ?? 0, 0))
    try spend(length: length.overflow ? .max : length.partialValue)
    let copies = sequence.items.isEmpty ? 0 : max(count.integer ?? 0, 0)
    return .sequence(try JinjaSequence(sequence.kind, Array(repeatElement(sequence.items, count: copies).joined())))
  }

  // MARK: Numbers

  private func combine(
    _ symbol: JinjaExpression.Operator, _ left: Int, _ right: Int
  ) throws(JinjaFailure) -> JinjaValue {
    switch symbol {
    case .add: return try Self.whole(left.addingReportingOverflow(right))
    case .subtract: return try Self.whole(left.subtractingReportingOverflow(right))
    case .multiply: return try Self.whole(left.multipliedReportingOverflow(by: right))
    case .divide: return try combine(symbol, Double(left), Double(right))
    case .floorDivide, .modulo:
      guard right != 0 else { throw JinjaFailure(.values, "division by zero") }
      let (quotient, remainder) = (
        left.dividedReportingOverflow(by: right), left.remainderReportingOverflow(dividingBy: right).partialValue
      )
      let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
      if symbol == .modulo { return .int(isBelow ? remainder + right : remainder) }
      return try Self.whole((quotient.partialValue - (isBelow ? 1 : 0), quotient.overflow))
    case .power:
      guard right >= 0 else { return try combine(symbol, Double(left), Double(right)) }
      return try power(left, right)
    }
  }

  private static func whole(_ result: (partialValue: Int, overflow: Bool)) throws(JinjaFailure) -> JinjaValue {
    guard !result.overflow else { throw JinjaFailure(.limits, "a whole number has more than 64 bits") }
    return .int(result.partialValue)
  }

  private func power(_ base: Int, _ exponent: Int) throws(JinjaFailure) -> JinjaValue {
    if exponent == 0 { return .int(1) }
    if (-1...1).contains(base) { return .int(base >= 0 || exponent % 2 == 1 ? base : 1) }
    guard exponent < 64 else { throw JinjaFailure(.limits, "a whole number has more than 64 bits") }
    var result = JinjaValue.int(1)
    for _ in 0..<exponent { result = try combine(.multiply, result, .int(base)) }
    return result
  }

  private func combine(
    _ symbol: JinjaExpression.Operator, _ left: Double, _ right: Double
  ) throws(JinjaFailure) -> JinjaValue {
    switch symbol {
    case .add: return .float(left + right)
    case .subtract: return .float(left - right)
    case .multiply: return .float(left * right)
    case .divide, .floorDivide, .modulo:
      guard right != 0 else { throw JinjaFailure(.values, "division by zero") }
      if symbol == .divide { return .float(left / right) }
      let remainder = left.truncatingRemainder(dividingBy: right)
      let modulo = remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder
      return .float(symbol == .modulo ? modulo : ((left - modulo) / right).rounded())
    case .power: throw JinjaFailure(.values, "powers of fractions are not supported")
    }
  }

  /// `-value`.
  func negated(_ value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
    if case .undefined(let message) = value { throw JinjaFailure(.names, message) }
    if let integer = value.integer { return try Self.whole(Int(0).subtractingReportingOverflow(integer)) }
    guard let number = value.number else { throw JinjaFailure(.values, "bad operand type for unary -: '\(value.typeName)'") }
    return .float(-number)
  }

  // MARK: Comparisons

  /// Whether a comparison holds.
  func holds(
    _ comparison: JinjaExpression.Comparison, _ left: JinjaValue, _ right: JinjaValue
  ) throws(JinjaFailure) -> Bool {
    switch comparison {
    case .equal: try equal(left, right)
    case .notEqual: try !equal(left, right)
    case .less: try precedes(left, right)
    case .greater: try precedes(right, left)
    case .lessOrEqual: try precedes(left, right) ? true : try equal(left, right)
    case .greaterOrEqual: try precedes(right, left) ? true : try equal(left, right)
    case .isIn: try contains(right, left)
    case .isNotIn: try !contains(right, left)
    }
  }

  /// Whether two values are equal, as Python has it.
  func equal(_ left: JinjaValue, _ right: JinjaValue) throws(JinjaFailure) -> Bool {
    switch (left, right) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.text(let first), .text(let second)):
      try spend(min(first.count, second.count))
      return first == second
    case (.sequence(let first), .sequence(let second)):
      guard first.kind == second.kind, first.items.count == second.items.count else { return false }
      for (one, other) in zip(first.items, second.items) where try !equal(one, other) { return false }
      try spend(first.items.count)
      return true
    case (.mapping(let first), .mapping(let second)):
      guard first.count == second.count else { return false }
      try spend(first.count)
      for entry in first.entries {
        guard let other = second[try JinjaKey(entry.key)], try equal(entry.value, other) else { return false }
      }
      return true
    case (.namespace(let first), .namespace(let second)): return first === second
    default:
      if let first = left.integer, let second = right.integer { return first == second }
      return left.number != nil && left.number == right.number
    }
  }

  /// Whether `left` comes before `right`.
  ///
  /// - Throws: TPL-5 for values without an order.
  func precedes(_ left: JinjaValue, _ right: JinjaValue) throws(JinjaFailure) -> Bool {
    for value in [left, right] { if case .undefined(let message) = value { throw JinjaFailure(.names, message) } }
    if let first = left.integer, let second = right.integer { return first < second }
    if let first = left.number, let second = right.number { return first < second }
    switch (left, right) {
    case (.text(let first), .text(let second)):
      try spend(min(first.count, second.count))
      return first.precedes(second)
    case (.sequence(let first), .sequence(let second)) where first.kind == second.kind && first.kind.isIndexed:
      for (one, other) in zip(first.items, second.items) where try !equal(one, other) { return try precedes(one, other) }
      return first.items.count < second.items.count
    default:
      throw JinjaFailure(.values, "'<' not supported between instances of '\(left.typeName)' and '\(right.typeName)'")
    }
  }

  /// `value in container`.
  func contains(_ container: JinjaValue, _ value: JinjaValue) throws(JinjaFailure) -> Bool {
    switch container {
    case .text(let text):
      guard let part = value.asText else {
        throw JinjaFailure(.values, "'in <string>' requires string as left operand, not \(value.typeName)")
      }
      try spend(text.count)
      return text.firstIndex(of: part) != nil
    case .mapping(let mapping): return mapping[try JinjaKey(value)] != nil
    default:
      for item in try items(of: container) where try equal(item, value) { return true }
      return false
    }
  }
}

extension JinjaText {
  /// The text with HTML's special characters escaped, unless it is marked as safe; the result is.
  var escapedUnlessMarkup: JinjaText {
    if isMarkup { return self }
    let escapes: [UInt32: String] = [38: "&amp;", 60: "&lt;", 62: "&gt;", 34: "&#34;", 39: "&#39;"]
    var result = JinjaText()
    for unit in units {
      if let escape = escapes[Self.value(unit)] { result.append(escape, markedAs: unit) } else { result.append(unit: unit) }
    }
    result.isMarkup = true
    return result
  }
}
