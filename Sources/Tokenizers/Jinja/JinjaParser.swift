/// Parses the tokens of a template: statements here, expressions in `JinjaExpressionParser.swift` (TPL-2).
struct JinjaParser {
  private let tokens: [JinjaToken]
  private var position = 0
  var nesting = 0
  /// How many loops are around, within the macro that is being parsed.
  private var loops = 0
  /// The names among `varargs` and `kwargs` that were read, within the macro that is being parsed.
  var extras: Set<String> = []

  init(_ tokens: [JinjaToken]) { self.tokens = tokens }

  /// The statements of a template.
  ///
  /// - Throws: TPL-1 or TPL-2, with the line.
  static func parse(_ source: String) throws(JinjaFailure) -> [JinjaStatement] {
    guard source.utf8.count <= JinjaLimit.templateBytes else {
      throw JinjaFailure(.limits, "the template has more than \(JinjaLimit.templateBytes) bytes")
    }
    var lexer = JinjaLexer(source)
    var parser = JinjaParser(try lexer.read())
    do throws(JinjaFailure) {
      return try parser.statements(until: [])
    } catch { throw error.at(line: parser.current.line) }
  }

  // MARK: Tokens

  /// The token here.
  var current: JinjaToken { tokens[position] }
  /// The token after this one.
  var following: JinjaToken { tokens[min(position + 1, tokens.count - 1)] }

  /// Passes a token.
  mutating func advance() { position = min(position + 1, tokens.count - 1) }

  /// Whether the token here is a name such as `if`.
  func isAt(_ name: String) -> Bool { current.kind == .name(name) }

  /// Whether the token here is a symbol such as `(`.
  func isAt(symbol: String) -> Bool { current.kind == .symbol(symbol) }

  /// Passes a name if it is here.
  mutating func skip(_ name: String) -> Bool {
    guard isAt(name) else { return false }
    advance()
    return true
  }

  /// Passes a symbol if it is here.
  mutating func skip(symbol: String) -> Bool {
    guard isAt(symbol: symbol) else { return false }
    advance()
    return true
  }

  /// Passes a token that must be here.
  mutating func expect(_ kind: JinjaToken.Kind) throws(JinjaFailure) {
    guard current.kind == kind else {
      throw failure("\(JinjaToken(kind: kind, line: 0).description) is expected, not \(current.description)")
    }
    advance()
  }

  /// Passes a name and gives it.
  mutating func name() throws(JinjaFailure) -> String {
    guard case .name(let name) = current.kind else { throw failure("a name is expected, not \(current.description)") }
    advance()
    return name
  }

  func failure(_ message: String) -> JinjaFailure { JinjaFailure(.syntax, message, line: current.line) }

  /// Goes a level deeper for the time of `body`.
  mutating func nested<T>(_ body: (inout JinjaParser) throws(JinjaFailure) -> T) throws(JinjaFailure) -> T {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= JinjaLimit.nesting else {
      throw JinjaFailure(.limits, "it is nested more than \(JinjaLimit.nesting) deep", line: current.line)
    }
    return try body(&self)
  }

  // MARK: Statements

  /// The statements up to a tag that begins with one of `ends`, at whose name the parser then is.
  private mutating func statements(until ends: [String]) throws(JinjaFailure) -> [JinjaStatement] {
    var result: [JinjaStatement] = []
    while true {
      let line = current.line
      switch current.kind {
      case .data(let text):
        advance()
        result.append(JinjaStatement(kind: .data(text), line: line))
      case .variableBegin:
        advance()
        let expression = try tuple()
        try expect(.variableEnd)
        result.append(JinjaStatement(kind: .output(expression), line: line))
      case .blockBegin:
        advance()
        if case .name(let name) = current.kind, ends.contains(name) { return result }
        let kind = try nested { (parser) throws(JinjaFailure) in try parser.statement() }
        try expect(.blockEnd)
        result.append(JinjaStatement(kind: kind, line: line))
      case .end where ends.isEmpty: return result
      default: throw failure("\(ends.joined(separator: " or ")) is expected, not \(current.description)")
      }
    }
  }

  /// The body of a statement, and which of `ends` ended it; the parser is past that name.
  private mutating func body(until ends: String...) throws(JinjaFailure) -> (body: [JinjaStatement], end: String) {
    _ = skip(symbol: ":")
    try expect(.blockEnd)
    let body = try statements(until: ends)
    return (body, try name())
  }

  private mutating func statement() throws(JinjaFailure) -> JinjaStatement.Kind {
    let tag = try name()
    switch tag {
    case "if": return try branches()
    case "for": return try loop()
    case "set": return try assignment()
    case "macro":
      let name = try name()
      return .macro(try macro(name, parameters: try parameters(), end: "endmacro"))
    case "call": return try callBlock()
    case "filter":
      let filters = try filters(inline: true)
      return .filter(filters, try body(until: "endfilter").body)
    case "with": return try with()
    case "generation": return .generation(try macro("generation", parameters: [], end: "endgeneration").body)
    case "break" where loops > 0: return .leaveLoop
    case "continue" where loops > 0: return .nextRound
    case "break", "continue": throw failure("\(tag) outside of a loop")
    default: throw failure("the tag \(tag) is not supported")
    }
  }

  private mutating func branches() throws(JinjaFailure) -> JinjaStatement.Kind {
    var branches: [JinjaStatement.Branch] = []
    while true {
      let test = try tuple(allowsConditional: false)
      let (body, end) = try body(until: "elif", "else", "endif")
      branches.append(.init(test: test, body: body))
      if end == "endif" { return .branches(branches, otherwise: []) }
      if end == "else" { return .branches(branches, otherwise: try self.body(until: "endif").body) }
    }
  }

  private mutating func loop() throws(JinjaFailure) -> JinjaStatement.Kind {
    let target = try target()
    try expect(.name("in"))
    let sequence = try tuple(allowsConditional: false)
    let test = skip("if") ? try expression() : nil
    guard !isAt("recursive") else { throw failure("recursive loops are not supported") }
    loops += 1
    let (body, end) = try body(until: "else", "endfor")
    loops -= 1
    let otherwise = end == "else" ? try self.body(until: "endfor").body : []
    return .loop(.init(target: target, sequence: sequence, test: test, body: body, otherwise: otherwise))
  }

  private mutating func assignment() throws(JinjaFailure) -> JinjaStatement.Kind {
    let target = try target(allowsAttribute: true)
    if skip(symbol: "=") { return .set(target, try tuple()) }
    let filters = try filters(inline: false)
    return .setBlock(target, filters, try body(until: "endset").body)
  }

  private mutating func with() throws(JinjaFailure) -> JinjaStatement.Kind {
    var values: [(target: JinjaStatement.Target, value: JinjaExpression)] = []
    while current.kind != .blockEnd {
      if !values.isEmpty { try expect(.symbol(",")) }
      let target = try target()
      try expect(.symbol("="))
      values.append((target, try expression()))
    }
    return .with(values, try body(until: "endwith").body)
  }

  // MARK: Macros

  private mutating func callBlock() throws(JinjaFailure) -> JinjaStatement.Kind {
    let parameters = isAt(symbol: "(") ? try parameters() : []
    guard case .call(let callee, let arguments) = try expression().kind else { throw failure("a call is expected") }
    return .call(try macro("caller", parameters: parameters, end: "endcall"), callee, arguments)
  }

  private mutating func parameters() throws(JinjaFailure) -> [(name: String, standard: JinjaExpression?)] {
    var parameters: [(name: String, standard: JinjaExpression?)] = []
    try expect(.symbol("("))
    while !isAt(symbol: ")") {
      if !parameters.isEmpty { try expect(.symbol(",")) }
      let name = try name()
      if skip(symbol: "=") {
        parameters.append((name, try expression()))
      } else {
        guard parameters.last?.standard == nil else { throw failure("a parameter without a default follows one with it") }
        parameters.append((name, nil))
      }
    }
    advance()
    return parameters
  }

  private mutating func macro(
    _ name: String, parameters: [(name: String, standard: JinjaExpression?)], end: String
  ) throws(JinjaFailure) -> JinjaStatement.Macro {
    let around = (loops, extras)
    (loops, extras) = (0, [])
    defer { (loops, extras) = around }
    let body = try body(until: end).body
    return .init(
      name: name, parameters: parameters, body: body, readsVarargs: extras.contains("varargs"),
      readsKwargs: extras.contains("kwargs"))
  }

  // MARK: Targets and filters

  private mutating func target(allowsAttribute: Bool = false) throws(JinjaFailure) -> JinjaStatement.Target {
    var targets: [JinjaStatement.Target] = []
    var isTuple = false
    repeat {
      if isAt(symbol: "(") {
        advance()
        targets.append(try nested { (parser) throws(JinjaFailure) in try parser.target(allowsAttribute: allowsAttribute) })
        try expect(.symbol(")"))
      } else if case .name = current.kind, !isAt("in") || targets.isEmpty {
        targets.append(try simpleTarget(allowsAttribute))
      } else {
        break
      }
      isTuple = isTuple || isAt(symbol: ",")
    } while skip(symbol: ",")
    guard let first = targets.first else { throw failure("a name is expected, not \(current.description)") }
    return isTuple ? .tuple(targets) : first
  }

  private mutating func simpleTarget(_ allowsAttribute: Bool) throws(JinjaFailure) -> JinjaStatement.Target {
    let name = try name()
    guard !["true", "false", "none", "True", "False", "None"].contains(name) else { throw failure("\(name) cannot be set") }
    guard allowsAttribute, skip(symbol: ".") else { return .name(name) }
    return .attribute(of: name, try self.name())
  }

  private mutating func filters(inline: Bool) throws(JinjaFailure) -> [JinjaStatement.Filter] {
    var filters: [JinjaStatement.Filter] = []
    var isFirst = inline
    while isFirst || skip(symbol: "|") {
      isFirst = false
      let (name, arguments) = try filter()
      filters.append(.init(name: name, arguments: arguments))
      guard filters.count <= JinjaLimit.nesting else { throw JinjaFailure(.limits, "too many filters", line: current.line) }
    }
    return filters
  }
}
