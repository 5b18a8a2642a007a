extension JinjaInterpreter {
  /// The value of an expression.
  func evaluate(_ expression: JinjaExpression) throws(JinjaFailure) -> JinjaValue {
    try nested { () throws(JinjaFailure) in try evaluate(expression.kind) }
  }

  private func evaluate(_ kind: JinjaExpression.Kind) throws(JinjaFailure) -> JinjaValue {
    switch kind {
    case .literal(let literal): return Self.value(of: literal)
    case .name(let name): return variable(name)
    case .list(let items): return .sequence(try JinjaSequence(.list, try evaluate(items)))
    case .tuple(let items): return .sequence(try JinjaSequence(.tuple, try evaluate(items)))
    case .mapping(let pairs):
      var mapping = try JinjaMapping([])
      for (key, value) in pairs { try mapping.set(try evaluate(value), for: try evaluate(key)) }
      return .mapping(mapping)
    case .attribute(let value, let name): return try attribute(name, of: try evaluate(value))
    case .item(let value, let key): return try item(try evaluate(key), of: try evaluate(value))
    case .slice(let value, let slice): return try self.slice(slice, of: try evaluate(value))
    case .call(let callee, let arguments):
      let function = try evaluate(callee)
      return try call(function, try evaluate(arguments))
    case .filter(let value, let name, let arguments):
      let operand = try evaluate(value)
      return try apply(name, to: operand, try evaluate(arguments))
    case .test(let value, let name, let arguments):
      let operand = try evaluate(value)
      return .bool(try test(name, operand, try evaluate(arguments).positional))
    case .not(let value): return .bool(!(try evaluate(value).isTrue))
    case .negative(let value): return try negated(try evaluate(value))
    case .positive(let value): return try negated(try negated(try evaluate(value)))
    case .binary(let symbol, let left, let right):
      let first = try evaluate(left)
      return try combine(symbol, first, try evaluate(right))
    case .and(let left, let right):
      let first = try evaluate(left)
      return first.isTrue ? try evaluate(right) : first
    case .or(let left, let right):
      let first = try evaluate(left)
      return first.isTrue ? first : try evaluate(right)
    case .comparison(let first, let others): return .bool(try compare(first, others))
    case .concatenation(let parts): return .text(try concatenate(parts))
    case .conditional(let test, let then, let otherwise):
      if try evaluate(test).isTrue { return try evaluate(then) }
      guard let otherwise else { return .undefined("the inline if-expression has no else") }
      return try evaluate(otherwise)
    }
  }

  private func evaluate(_ parts: [JinjaExpression]) throws(JinjaFailure) -> [JinjaValue] {
    var values: [JinjaValue] = []
    for part in parts { values.append(try evaluate(part)) }
    return values
  }

  private static func value(of literal: JinjaExpression.Literal) -> JinjaValue {
    switch literal {
    case .none: JinjaValue.none
    case .bool(let value): .bool(value)
    case .int(let value): .int(value)
    case .float(let value): .float(value)
    case .text(let text): .text(text)
    }
  }

  private func variable(_ name: String) -> JinjaValue {
    if let value = scope.find(name) { return value }
    return Self.globals.contains(name) ? .callable(.global(name)) : .undefined("'\(name)' is undefined")
  }

  private func compare(_ first: JinjaExpression, _ others: [JinjaExpression.Compared]) throws(JinjaFailure) -> Bool {
    var left = try evaluate(first)
    for other in others {
      let right = try evaluate(other.with)
      guard try holds(other.comparison, left, right) else { return false }
      left = right
    }
    return true
  }

  private func concatenate(_ parts: [JinjaExpression]) throws(JinjaFailure) -> JinjaText {
    var result = JinjaText()
    for part in parts {
      result.append(try text(of: try evaluate(part)))
      try spend(length: result.count)
    }
    return result
  }

  /// The values of arguments; a mapping after `**` gives named ones.
  func evaluate(_ arguments: JinjaArguments) throws(JinjaFailure) -> JinjaCall {
    var values = JinjaCall(positional: try evaluate(arguments.positional))
    for (name, expression) in arguments.named { values.named.append((name, try evaluate(expression))) }
    if let spread = arguments.spread { values.positional += try items(of: try evaluate(spread)) }
    if let spread = arguments.namedSpread {
      guard case .mapping(let mapping) = try evaluate(spread) else { throw JinjaFailure(.values, "** needs a mapping") }
      for entry in mapping.entries {
        guard let name = entry.key.asText else { throw JinjaFailure(.values, "keywords must be strings") }
        values.named.append((name.string, entry.value))
      }
    }
    return values
  }

  // MARK: Parts of values

  /// The elements of a value that can be gone through.
  ///
  /// - Throws: TPL-5 for a value that has none.
  func items(of value: JinjaValue) throws(JinjaFailure) -> [JinjaValue] {
    let items: [JinjaValue]
    switch value {
    case .undefined: items = []
    case .text(let text): items = text.units.map { .text(JinjaText(units: [$0])) }
    case .sequence(let sequence): items = sequence.items
    case .mapping(let mapping): items = mapping.entries.map(\.key)
    case .iterator(let iterator): items = iterator.take()
    case .loop, .namespace, .callable, .none, .bool, .int, .float:
      throw JinjaFailure(.values, "'\(value.typeName)' object is not iterable")
    }
    try spend(items.count)
    return items
  }

  /// `value.name`: a method before a key, as in Jinja.
  func attribute(_ name: String, of value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
    if let method = try member(name, of: value) { return method }
    if case .mapping(let mapping) = value, let found = mapping[name] { return found }
    return .undefined("'\(value.typeName) object' has no attribute '\(name)'")
  }

  /// `value[key]`: a key or an index before a method.
  func item(_ key: JinjaValue, of value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
    if case .undefined(let message) = value { throw JinjaFailure(.names, message) }
    if let found = try element(key, of: value) { return found }
    if let name = key.asText?.string, let method = try member(name, of: value) { return method }
    return .undefined("'\(value.typeName) object' has no attribute '\(try text(of: key).string)'")
  }

  private func element(_ key: JinjaValue, of value: JinjaValue) throws(JinjaFailure) -> JinjaValue? {
    func place(_ count: Int) -> Int? {
      key.integer.map { $0 < 0 ? $0 + count : $0 }.flatMap { (0..<count).contains($0) ? $0 : nil }
    }
    switch value {
    case .text(let text): return place(text.count).map { .text(text[$0..<($0 + 1)]) }
    case .sequence(let sequence) where sequence.kind.isIndexed: return place(sequence.items.count).map { sequence.items[$0] }
    case .mapping(let mapping): return mapping[try JinjaKey(key)]
    default: return nil
    }
  }

  /// A method or an attribute that the type of a value has; nil where it has none of that name.
  ///
  /// - Throws: TPL-3 for what is undefined.
  private func member(_ name: String, of value: JinjaValue) throws(JinjaFailure) -> JinjaValue? {
    let methods: Set<String>
    switch value {
    case .undefined(let message): throw JinjaFailure(.names, message)
    case .namespace(let namespace): return namespace.attributes[name]
    case .loop(let loop):
      if let value = loop.attribute(name) { return value }
      methods = Self.loopMethods
    case .text: methods = Self.textMethods
    case .mapping: methods = Self.mappingMethods
    case .sequence(let sequence): methods = sequence.kind.isIndexed ? Self.sequenceMethods : []
    case .none, .bool, .int, .float, .iterator, .callable: methods = []
    }
    if methods.contains(name) { return .callable(.method(of: value, name)) }
    guard Self.changingMethods.contains(name), [.mapping, .list].contains(Container(value)) else { return nil }
    return .undefined("access to attribute '\(name)' of '\(value.typeName)' object is unsafe")
  }

  /// What the sandbox lets nobody change.
  private enum Container {
    case mapping, list, other

    init(_ value: JinjaValue) {
      switch value {
      case .mapping: self = .mapping
      case .sequence(let sequence) where sequence.kind == .list: self = .list
      default: self = .other
      }
    }
  }

  private func slice(_ slice: JinjaExpression.Slice, of value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
    let bounds = try [bound(slice.start), bound(slice.stop), bound(slice.step)]
    switch value {
    case .undefined(let message): throw JinjaFailure(.names, message)
    case .text(let text):
      let indices = try Self.indices(bounds, count: text.count)
      return .text(try checked(JinjaText(units: indices.map { text.units[$0] }, isMarkup: text.isMarkup)))
    case .sequence(let sequence) where sequence.kind.isIndexed:
      let indices = try Self.indices(bounds, count: sequence.items.count)
      try spend(indices.count)
      return .sequence(JinjaSequence(sequence.kind, part: indices.map { sequence.items[$0] }, depth: sequence.depth))
    default: return .undefined("'\(value.typeName)' object is not subscriptable")
    }
  }

  private func bound(_ expression: JinjaExpression?) throws(JinjaFailure) -> Int? {
    guard let expression else { return nil }
    switch try evaluate(expression) {
    case .none: return nil
    case let value:
      guard let integer = value.integer else { throw JinjaFailure(.values, "slice indices must be integers or None") }
      return integer
    }
  }

  /// The indices of Python's `start:stop:step`.
  private static func indices(_ bounds: [Int?], count: Int) throws(JinjaFailure) -> [Int] {
    let step = bounds[2] ?? 1
    guard step != 0 else { throw JinjaFailure(.values, "slice step cannot be zero") }
    let (lowest, highest) = step > 0 ? (0, count) : (-1, count - 1)
    func clamped(_ bound: Int) -> Int { min(max(bound < 0 ? bound + count : bound, lowest), highest) }
    let start = bounds[0].map(clamped) ?? (step > 0 ? 0 : count - 1)
    let stop = bounds[1].map(clamped) ?? (step > 0 ? count : -1)
    // A longer step than the text is the same as one that is just too long, and cannot overflow.
    return Array(stride(from: start, to: stop, by: min(max(step, -count - 1), count + 1)))
  }
}
