/// Runs a template once: statements here, expressions and what they call in the files beside this one.
///
/// Every step is counted, and what is under way at the same time too, so that no template runs for ever (TPL-1).
final class JinjaInterpreter {
  /// What `strftime_now` tells.
  let date: ChatDate
  var scope = JinjaScope()
  private var output = JinjaText()
  private let mostSteps: Int
  private var steps = 0
  private var depth = 0

  init(date: ChatDate, mostSteps: Int) {
    self.date = date
    self.mostSteps = mostSteps
  }

  /// The output of `template` with `variables`.
  func run(_ template: [JinjaStatement], _ variables: [(String, JinjaValue)]) throws(JinjaFailure) -> JinjaText {
    for (name, value) in variables { scope.set(name, value) }
    // A template's own variables lie over what it is given.
    scope = JinjaScope(in: scope)
    _ = try execute(template)
    return output
  }

  // MARK: Limits

  /// Counts `count` steps.
  func spend(_ count: Int) throws(JinjaFailure) {
    guard count <= mostSteps - steps else { throw JinjaFailure(.limits, "it takes more than \(mostSteps) steps") }
    steps += count
  }

  /// A text, unless it is too long.
  func checked(_ text: JinjaText) throws(JinjaFailure) -> JinjaText {
    try spend(length: text.count)
    return text
  }

  /// Counts the characters of a text that is about to be made.
  func spend(length: Int) throws(JinjaFailure) {
    guard length <= JinjaLimit.characters else {
      throw JinjaFailure(.limits, "a text has more than \(JinjaLimit.characters) characters")
    }
    try spend(length)
  }

  /// Goes a level deeper for the time of `body`.
  func nested<T>(_ body: () throws(JinjaFailure) -> T) throws(JinjaFailure) -> T {
    depth += 1
    defer { depth -= 1 }
    guard depth <= JinjaLimit.runningDepth else { throw JinjaFailure(.limits, "macros call each other too deep") }
    try spend(1)
    return try body()
  }

  // MARK: Output

  private func write(_ text: JinjaText) throws(JinjaFailure) {
    try spend(text.count)
    output.append(text)
    guard output.count <= JinjaLimit.characters else {
      throw JinjaFailure(.limits, "the output has more than \(JinjaLimit.characters) characters")
    }
  }

  /// What `body` writes, in a scope of its own.
  func capture(in scope: JinjaScope, _ body: [JinjaStatement]) throws(JinjaFailure) -> JinjaText {
    let (outer, written) = (self.scope, output)
    self.scope = scope
    output = JinjaText()
    defer { (self.scope, output) = (outer, written) }
    _ = try execute(body)
    return output
  }

  // MARK: Statements

  /// How a run of statements ended.
  private enum Ending {
    case normal, leaveLoop, nextRound
  }

  private func execute(_ statements: [JinjaStatement]) throws(JinjaFailure) -> Ending {
    for statement in statements {
      let ending: Ending
      do throws(JinjaFailure) {
        ending = try nested { () throws(JinjaFailure) in try execute(statement.kind) }
      } catch { throw error.at(line: statement.line) }
      if ending != .normal { return ending }
    }
    return .normal
  }

  private func execute(_ statement: JinjaStatement.Kind) throws(JinjaFailure) -> Ending {
    switch statement {
    case .data(let text): try write(JinjaText(text))
    case .output(let expression): try write(try text(of: try evaluate(expression)))
    case .set(let target, let expression): try assign(try evaluate(expression), to: target)
    case .setBlock(let target, let filters, let body):
      try assign(try filtered(try capture(in: JinjaScope(in: scope), body), filters), to: target)
    case .branches(let branches, let otherwise):
      for branch in branches where try evaluate(branch.test).isTrue { return try execute(branch.body) }
      return try execute(otherwise)
    case .loop(let loop): return try execute(loop)
    case .macro(let macro): scope.set(macro.name, .callable(.macro(JinjaMacro(syntax: macro, scope: scope))))
    case .call(let block, let callee, let arguments): try execute(block, callee, arguments)
    case .filter(let filters, let body):
      try write(try text(of: try filtered(try capture(in: JinjaScope(in: scope), body), filters)))
    case .with(let values, let body): try execute(values, body)
    case .generation(let body): try write(try capture(in: JinjaScope(in: scope), body))
    case .leaveLoop: return .leaveLoop
    case .nextRound: return .nextRound
    }
    return .normal
  }

  private func filtered(_ text: JinjaText, _ filters: [JinjaStatement.Filter]) throws(JinjaFailure) -> JinjaValue {
    var value = JinjaValue.text(text)
    for filter in filters { value = try apply(filter.name, to: value, try evaluate(filter.arguments)) }
    return value
  }

  private func execute(
    _ values: [(target: JinjaStatement.Target, value: JinjaExpression)], _ body: [JinjaStatement]
  ) throws(JinjaFailure) {
    var evaluated: [JinjaValue] = []
    for (_, expression) in values { evaluated.append(try evaluate(expression)) }
    let outer = scope
    scope = JinjaScope(in: outer)
    defer { scope = outer }
    for (value, (target, _)) in zip(evaluated, values) { try assign(value, to: target) }
    _ = try execute(body)
  }

  private func execute(
    _ block: JinjaStatement.Macro, _ callee: JinjaExpression, _ arguments: JinjaArguments
  ) throws(JinjaFailure) {
    var values = try evaluate(arguments)
    let function = try evaluate(callee)
    // The scope of the block must outlive the call, for a macro holds its scope weakly.
    let around = scope
    values.named.append(("caller", .callable(.macro(JinjaMacro(syntax: block, scope: around)))))
    try write(try text(of: try call(function, values)))
  }

  // MARK: Loops

  private func execute(_ loop: JinjaStatement.For) throws(JinjaFailure) -> Ending {
    let items = try loopItems(loop)
    guard !items.isEmpty else { return try execute(inScope: JinjaScope(in: scope), loop.otherwise) }
    let state = JinjaLoop(items)
    for (index, item) in items.enumerated() {
      state.index = index
      let round = JinjaScope(in: scope)
      round.set("loop", .loop(state))
      try assign(item, to: loop.target, in: round)
      switch try execute(inScope: round, loop.body) {
      case .leaveLoop: return .normal
      case .normal, .nextRound: continue
      }
    }
    return .normal
  }

  private func execute(inScope inner: JinjaScope, _ body: [JinjaStatement]) throws(JinjaFailure) -> Ending {
    let outer = scope
    scope = inner
    defer { scope = outer }
    return try execute(body)
  }

  /// The elements that a loop goes through: those for which its test holds.
  private func loopItems(_ loop: JinjaStatement.For) throws(JinjaFailure) -> [JinjaValue] {
    let all = try items(of: try evaluate(loop.sequence))
    guard let test = loop.test else { return all }
    let outer = scope
    defer { scope = outer }
    var items: [JinjaValue] = []
    for item in all {
      scope = JinjaScope(in: outer)
      try assign(item, to: loop.target)
      if try evaluate(test).isTrue { items.append(item) }
    }
    return items
  }

  // MARK: Assignment

  private func assign(
    _ value: JinjaValue, to target: JinjaStatement.Target, in scope: JinjaScope? = nil
  ) throws(JinjaFailure) {
    switch target {
    case .name(let name): (scope ?? self.scope).set(name, value)
    case .attribute(let name, let attribute):
      guard case .namespace(let namespace)? = self.scope.find(name) else {
        throw JinjaFailure(.sandbox, "only attributes of a namespace can be set, and \(name) is none")
      }
      try namespace.set(attribute, value)
    case .tuple(let targets):
      let items = try items(of: value)
      guard items.count == targets.count else {
        throw JinjaFailure(.values, "\(items.count) values are given to \(targets.count) names")
      }
      for (item, target) in zip(items, targets) { try assign(item, to: target, in: scope) }
    }
  }
}
