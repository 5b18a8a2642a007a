extension JinjaInterpreter {
  /// Python's `text % values`: `%s`, `%r`, `%d`, `%i`, `%f`, `%x`, `%%`, with flags, width and precision; names in `%(name)s`.
  func printf(_ format: JinjaText, _ values: JinjaValue) throws(JinjaFailure) -> JinjaText {
    var result = JinjaText()
    result.isMarkup = format.isMarkup
    var rest = [values]
    if case .sequence(let sequence) = values, sequence.kind == .tuple { rest = sequence.items }
    var index = 0
    while index < format.count {
      let unit = format.units[index]
      index += 1
      guard JinjaText.value(unit) == 37 else {
        result.append(unit: unit)
        continue
      }
      let directive = try JinjaDirective(format, &index)
      if directive.kind == "%" {
        result.append("%")
        continue
      }
      var value: JinjaValue
      if let name = directive.name {
        guard case .mapping(let mapping) = values, let found = mapping[name] else {
          throw JinjaFailure(.values, "format requires a mapping with '\(name)'")
        }
        (value, rest) = (found, [])
      } else {
        guard !rest.isEmpty else { throw JinjaFailure(.values, "not enough arguments for format string") }
        value = rest.removeFirst()
      }
      if format.isMarkup, let text = value.asText { value = .text(text.escapedUnlessMarkup) }
      result.append(try written(value, directive))
      try spend(length: result.count)
    }
    if case .mapping = values { return result }
    guard rest.isEmpty else { throw JinjaFailure(.values, "not all arguments converted during string formatting") }
    return result
  }

  private func written(_ value: JinjaValue, _ directive: JinjaDirective) throws(JinjaFailure) -> JinjaText {
    var text: JinjaText
    switch directive.kind {
    case "s": text = try self.text(of: value)
    case "r":
      text = JinjaText()
      try represent(value, &text)
    case "d", "i", "u":
      guard let number = value.number, number.isFinite, number.magnitude < 0x1p63 else {
        throw JinjaFailure(.values, "%d format: a real number is required, not \(value.typeName)")
      }
      text = JinjaText(String(value.integer ?? Int(number)))
    case "f", "F":
      guard let number = value.number else { throw JinjaFailure(.values, "must be real number, not \(value.typeName)") }
      text = JinjaText(JinjaNumber.fixed(number, places: directive.precision ?? 6))
    case "x", "X":
      guard let number = value.integer else { throw JinjaFailure(.values, "%x format: an integer is required") }
      text = JinjaText(String(number, radix: 16, uppercase: directive.kind == "X"))
    default: throw JinjaFailure(.values, "unsupported format character '\(directive.kind)'")
    }
    if directive.kind == "s", let precision = directive.precision { text = text[0..<min(precision, text.count)] }
    if directive.hasSign, value.number.map({ $0 >= 0 }) ?? false { text = JinjaText("+") + text }
    let padding = directive.isLeft ? "ljust" : directive.hasZeros && value.number != nil ? "zfill" : "rjust"
    return try padded(text, width: directive.width, fill: JinjaText(padding == "zfill" ? "0" : " "), by: padding)
  }

  // MARK: str.format

  /// Python's `text.format(...)`: fields by number, by name or in order, with `!s`, `!r` and simple specifications.
  func formatted(_ format: JinjaText, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaText {
    var result = JinjaText()
    result.isMarkup = format.isMarkup
    var index = 0
    var next = 0
    while index < format.count {
      let unit = format.units[index]
      let value = JinjaText.value(unit)
      let isDouble = index + 1 < format.count && JinjaText.value(format.units[index + 1]) == value
      index += 1
      guard value == 123 || value == 125 else {
        result.append(unit: unit)
        continue
      }
      if isDouble {
        result.append(unit: unit)
        index += 1
        continue
      }
      guard value == 123, let end = format.units[index...].firstIndex(where: { JinjaText.value($0) == 125 }) else {
        throw JinjaFailure(.values, "single braces in a format string")
      }
      let field = format[index..<end].string
      index = end + 1
      result.append(try formatted(field: field, arguments, &next, escapes: format.isMarkup))
      try spend(length: result.count)
    }
    return result
  }

  private func formatted(
    field: String, _ arguments: JinjaCall, _ next: inout Int, escapes: Bool
  ) throws(JinjaFailure) -> JinjaText {
    let parts = field.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let reference = parts[0].split(separator: "!", maxSplits: 1, omittingEmptySubsequences: false)
    let value = try argument(String(reference[0]), arguments, &next)
    let specification = parts.count > 1 ? String(parts[1]) : ""
    if reference.count > 1, reference[1] == "r" {
      var text = JinjaText()
      try represent(value, &text)
      return try JinjaSpecification(specification).apply(.text(text), by: self)
    }
    guard reference.count == 1 || reference[1] == "s" else {
      throw JinjaFailure(.values, "unknown conversion in a format string")
    }
    if escapes, let text = value.asText { return text.escapedUnlessMarkup }
    return try JinjaSpecification(specification).apply(reference.count == 1 ? value : .text(try text(of: value)), by: self)
  }

  /// The value of a field such as `0`, `name`, `name.attribute` or `name[key]`.
  private func argument(_ reference: String, _ arguments: JinjaCall, _ next: inout Int) throws(JinjaFailure) -> JinjaValue {
    let head = reference.prefix { $0 != "." && $0 != "[" }
    guard head.count == reference.count else { throw JinjaFailure(.sandbox, "a format string reaches into a value") }
    if let value = arguments.named.first(where: { $0.name == reference })?.value { return value }
    let index = reference.isEmpty ? next : Int(reference) ?? -1
    if reference.isEmpty { next += 1 }
    guard arguments.positional.indices.contains(index) else {
      throw JinjaFailure(.values, "the field {\(reference)} has no value")
    }
    return arguments.positional[index]
  }
}

/// A directive of Python's `%`.
private struct JinjaDirective {
  var name: String?
  var isLeft = false
  var hasZeros = false
  var hasSign = false
  var width = 0
  var precision: Int?
  var kind: Character = "%"

  /// Reads what follows a `%`.
  init(_ format: JinjaText, _ index: inout Int) throws(JinjaFailure) {
    func current() -> UInt32? { index < format.count ? JinjaText.value(format.units[index]) : nil }
    func number() -> Int? {
      var value: Int?
      while let digit = current(), (48...57).contains(digit) {
        value = min((value ?? 0) * 10 + Int(digit - 48), JinjaLimit.characters + 1)
        index += 1
      }
      return value
    }
    if current() == 40 {
      guard let end = format.units[index...].firstIndex(where: { JinjaText.value($0) == 41 }) else {
        throw JinjaFailure(.values, "incomplete format key")
      }
      name = format[(index + 1)..<end].string
      index = end + 1
    }
    while let flag = current(), [45, 43, 48, 32, 35].contains(flag) {
      if flag == 45 { isLeft = true }
      if flag == 43 { hasSign = true }
      if flag == 48 { hasZeros = true }
      index += 1
    }
    width = number() ?? 0
    if current() == 46 {
      index += 1
      precision = min(number() ?? 0, 1000)
    }
    guard index < format.count else { throw JinjaFailure(.values, "incomplete format") }
    kind = Character(JinjaText.scalar(format.units[index]))
    index += 1
  }
}

/// A specification of Python's `format`: fill, alignment, sign, zeros, width, comma, precision, type.
private struct JinjaSpecification {
  private var fill: Character = " "
  private var alignment: Character?
  private var hasSign = false
  private var width = 0
  private var hasCommas = false
  private var precision: Int?
  private var kind: Character?

  init(_ text: String) throws(JinjaFailure) {
    var rest = Array(text)
    if rest.count > 1, "<>^".contains(rest[1]) { fill = rest.removeFirst() }
    if let first = rest.first, "<>^".contains(first) { alignment = rest.removeFirst() }
    if rest.first == "+" { hasSign = rest.removeFirst() == "+" }
    if rest.first == "0" { (fill, alignment) = (rest.removeFirst(), alignment ?? ">") }
    width = Self.number(&rest) ?? 0
    if rest.first == "," { hasCommas = rest.removeFirst() == "," }
    if rest.first == "." {
      rest.removeFirst()
      precision = min(Self.number(&rest) ?? 0, 1000)
    }
    kind = rest.isEmpty ? nil : rest.removeFirst()
    guard rest.isEmpty else { throw JinjaFailure(.values, "an odd format specification: \(text)") }
  }

  private static func number(_ rest: inout [Character]) -> Int? {
    var value: Int?
    while let digit = rest.first?.wholeNumberValue, rest[0].isASCII {
      value = min((value ?? 0) * 10 + digit, JinjaLimit.characters + 1)
      rest.removeFirst()
    }
    return value
  }

  func apply(_ value: JinjaValue, by interpreter: JinjaInterpreter) throws(JinjaFailure) -> JinjaText {
    var text = try written(value, interpreter)
    if hasSign, value.number.map({ $0 >= 0 }) ?? false { text = JinjaText("+") + text }
    let standard: Character = value.number == nil ? "<" : ">"
    let padding = ["<": "ljust", ">": fill == "0" ? "zfill" : "rjust", "^": "center"][alignment ?? standard] ?? "ljust"
    return try interpreter.padded(text, width: width, fill: JinjaText(String(fill)), by: padding)
  }

  private func written(_ value: JinjaValue, _ interpreter: JinjaInterpreter) throws(JinjaFailure) -> JinjaText {
    switch (kind, value.number) {
    case (nil, _) where !hasCommas && precision == nil, ("s", nil):
      let text = try interpreter.text(of: value)
      return text[0..<min(precision ?? .max, text.count)]
    case (nil, nil):
      let text = try interpreter.text(of: value)
      return text[0..<min(precision ?? .max, text.count)]
    case ("d", .some) where value.integer != nil, (nil, .some) where value.integer != nil:
      return JinjaText(grouped(String(value.integer ?? 0)))
    case ("f", let number?): return JinjaText(grouped(JinjaNumber.fixed(number, places: precision ?? 6)))
    case ("x", .some) where value.integer != nil: return JinjaText(String(value.integer ?? 0, radix: 16))
    default: throw JinjaFailure(.values, "an unsupported format of '\(value.typeName)'")
    }
  }

  /// Commas between the thousands, where they are wanted.
  private func grouped(_ number: String) -> String {
    guard hasCommas else { return number }
    let sign = number.hasPrefix("-") ? "-" : ""
    let whole = number.dropFirst(sign.count).prefix { $0 != "." }
    var result = ""
    for (index, digit) in whole.enumerated() {
      if index > 0, (whole.count - index) % 3 == 0 { result.append(",") }
      result.append(digit)
    }
    return sign + result + number.dropFirst(sign.count + whole.count)
  }
}
