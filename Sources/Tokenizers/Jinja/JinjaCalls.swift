/// The arguments of a call.
struct JinjaCall {
  var positional: [JinjaValue] = []
  var named: [(name: String, value: JinjaValue)] = []

  /// The arguments in the order of `names`, nil where one is not given.
  ///
  /// - Throws: TPL-5 when there are too many, or one of another name.
  func bind(_ function: String, _ names: String...) throws(JinjaFailure) -> [JinjaValue?] {
    guard positional.count <= names.count else {
      throw JinjaFailure(.values, "\(function) takes at most \(names.count) arguments")
    }
    var values: [JinjaValue?] = positional + [JinjaValue?](repeating: nil, count: names.count - positional.count)
    for (name, value) in named {
      guard let index = names.firstIndex(of: name), values[index] == nil else {
        throw JinjaFailure(.values, "\(function) got an unexpected keyword argument '\(name)'")
      }
      values[index] = value
    }
    return values
  }
}

extension JinjaInterpreter {
  /// The functions that every template has.
  static let globals: Set<String> = ["range", "dict", "namespace", "raise_exception", "strftime_now"]

  /// Calls a value.
  func call(_ function: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    switch function {
    case .callable(.global(let name)): return try call(global: name, arguments)
    case .callable(.macro(let macro)): return .text(try call(macro, arguments))
    case .callable(.method(let value, let name)): return try call(method: name, of: value, arguments)
    case .undefined(let message): throw JinjaFailure(message.hasSuffix("is unsafe") ? .sandbox : .names, message)
    default: throw JinjaFailure(.values, "'\(function.typeName)' object is not callable")
    }
  }

  private func call(global name: String, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    switch name {
    case "range": return try range(arguments)
    case "dict": return .mapping(try mapping(arguments))
    case "namespace": return .namespace(try namespace(arguments))
    case "strftime_now":
      let format = try self.text(of: try arguments.bind(name, "format")[0] ?? .none)
      return .text(try checked(JinjaText(try date.formatted(format.string))))
    default:
      let message = try self.text(of: try arguments.bind(name, "message")[0] ?? .none)
      throw JinjaFailure(.refusal, message.string)
    }
  }

  private func range(_ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    let bounds = arguments.positional.compactMap(\.integer)
    guard arguments.named.isEmpty, (1...3).contains(bounds.count), bounds.count == arguments.positional.count else {
      throw JinjaFailure(.values, "range takes one to three whole numbers")
    }
    let (start, stop) = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
    let step = bounds.count == 3 ? bounds[2] : 1
    guard step != 0 else { throw JinjaFailure(.values, "range() arg 3 must not be zero") }
    var numbers: [JinjaValue] = []
    for number in stride(from: start, to: stop, by: step) {
      guard numbers.count < JinjaLimit.range else {
        throw JinjaFailure(.limits, "a range has more than \(JinjaLimit.range) numbers")
      }
      numbers.append(.int(number))
    }
    try spend(numbers.count)
    return .sequence(try JinjaSequence(.range, numbers))
  }

  private func namespace(_ arguments: JinjaCall) throws(JinjaFailure) -> JinjaNamespace {
    let attributes = try mapping(arguments)
    for entry in attributes.entries where entry.key.asText?.string.hasPrefix("_") ?? true {
      throw JinjaFailure(.sandbox, "an attribute of a namespace is private, or no name")
    }
    return JinjaNamespace(attributes)
  }

  /// `dict(...)`: a mapping or pairs, then the named arguments.
  private func mapping(_ arguments: JinjaCall) throws(JinjaFailure) -> JinjaMapping {
    guard arguments.positional.count <= 1 else { throw JinjaFailure(.values, "dict expected at most 1 argument") }
    var mapping = try JinjaMapping([])
    switch arguments.positional.first {
    case .mapping(let first): mapping = first
    case let pairs?:
      for pair in try items(of: pairs) {
        let parts = try items(of: pair)
        guard parts.count == 2 else { throw JinjaFailure(.values, "dict needs pairs") }
        try mapping.set(parts[1], for: parts[0])
      }
    case nil: break
    }
    for (name, value) in arguments.named { try mapping.set(value, for: .text(name)) }
    try spend(mapping.count)
    return mapping
  }

  // MARK: Macros

  /// Calls a macro: its parameters are variables of its scope, missing ones take their defaults.
  private func call(_ macro: JinjaMacro, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaText {
    guard let around = macro.scope else { throw JinjaFailure(.values, "the macro \(macro.syntax.name) is gone") }
    let parameters = macro.syntax.parameters
    let inner = JinjaScope(in: around)
    var named = arguments.named
    // Defaults may name parameters before them, so they are evaluated in the macro's scope.
    let outer = scope
    defer { scope = outer }
    scope = inner
    for (index, parameter) in parameters.enumerated() {
      if index < arguments.positional.count {
        inner.set(parameter.name, arguments.positional[index])
      } else if let place = named.firstIndex(where: { $0.name == parameter.name }) {
        inner.set(parameter.name, named.remove(at: place).value)
      } else if let standard = parameter.standard {
        inner.set(parameter.name, try evaluate(standard))
      } else {
        inner.set(parameter.name, .undefined("parameter '\(parameter.name)' was not provided"))
      }
    }
    try setRest(of: macro.syntax, Array(arguments.positional.dropFirst(parameters.count)), named, in: inner)
    return try nested { () throws(JinjaFailure) in try capture(in: inner, macro.syntax.body) }
  }

  /// `caller`, and `varargs` and `kwargs`, which take what no parameter took.
  private func setRest(
    of macro: JinjaStatement.Macro, _ positional: [JinjaValue], _ named: [(name: String, value: JinjaValue)],
    in inner: JinjaScope
  ) throws(JinjaFailure) {
    var rest = named
    if let place = rest.firstIndex(where: { $0.name == "caller" }) {
      inner.set("caller", rest.remove(at: place).value)
    } else if !macro.parameters.contains(where: { $0.name == "caller" }) {
      inner.set("caller", .undefined("No caller defined"))
    }
    guard positional.isEmpty || macro.readsVarargs else {
      throw JinjaFailure(.values, "macro '\(macro.name)' takes not more than \(macro.parameters.count) argument(s)")
    }
    if let first = rest.first, !macro.readsKwargs {
      throw JinjaFailure(.values, "macro '\(macro.name)' takes no keyword argument '\(first.name)'")
    }
    inner.set("varargs", .sequence(try JinjaSequence(.tuple, positional)))
    inner.set("kwargs", .mapping(try JinjaMapping(rest.map { (.text($0.name), $0.value) })))
  }
}
