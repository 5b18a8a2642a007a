extension JinjaInterpreter {
  /// Applies a filter.
  ///
  /// - Throws: TPL-3 for a filter that is not known.
  func apply(_ name: String, to value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    switch name {
    case "default", "d":
      let values = try arguments.bind(name, "default_value", "boolean")
      let isMissing = value.isUndefined || (values[1]?.isTrue ?? false) && !value.isTrue
      return isMissing ? values[0] ?? .text("") : value
    case "length", "count": return .int(try length(of: value))
    case "string": return .text(try text(of: value))
    case "safe":
      var text = try text(of: value)
      text.isMarkup = true
      return .text(text)
    case "e", "escape": return .text(try checked(try text(of: value).escapedUnlessMarkup))
    case "forceescape":
      var text = try text(of: value)
      text.isMarkup = false
      return .text(try checked(text.escapedUnlessMarkup))
    case "tojson": return .text(try json(value, arguments))
    case "int", "float", "abs", "round": return try number(name, value, arguments)
    case "upper", "lower", "capitalize", "title", "trim", "replace", "indent", "format", "center", "truncate", "wordcount":
      return try apply(textFilter: name, to: try text(of: value), arguments)
    default: return try apply(sequenceFilter: name, to: value, arguments)
    }
  }

  private func length(of value: JinjaValue) throws(JinjaFailure) -> Int {
    switch value {
    case .undefined: 0
    case .text(let text): text.count
    case .sequence(let sequence): sequence.items.count
    case .mapping(let mapping): mapping.count
    case .loop(let loop): loop.items.count
    default: throw JinjaFailure(.values, "object of type '\(value.typeName)' has no len()")
    }
  }

  private func json(_ value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaText {
    let values = try arguments.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys")
    var indent: String?
    switch values[1] {
    case nil, .some(.none): break
    case .text(let text)?: indent = text.string
    case let value?:
      guard let width = value.integer else { throw JinjaFailure(.values, "tojson's indent is no number") }
      try spend(length: max(width, 0))
      indent = String(repeating: " ", count: max(width, 0))
    }
    var separators: (String, String)?
    if case .sequence(let pair)? = values[2], pair.items.count == 2 {
      separators = (try needed(pair.items[0], "tojson").string, try needed(pair.items[1], "tojson").string)
    }
    var writer = JinjaJSONWriter(indent: indent, separators: separators)
    writer.escapesNonASCII = values[0]?.isTrue ?? false
    writer.sortsKeys = values[3]?.isTrue ?? false
    try writer.write(value, by: self)
    return try checked(writer.result)
  }

  // MARK: Numbers

  private func number(_ name: String, _ value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    switch name {
    case "int":
      let values = try arguments.bind(name, "default", "base")
      return Self.whole(value, base: values[1]?.integer ?? 10).map { .int($0) } ?? values[0] ?? .int(0)
    case "float":
      let standard = try arguments.bind(name, "default")[0] ?? .float(0)
      let parsed = value.asText.map { Double($0.stripped(nil).string) } ?? value.number
      return parsed.map { .float($0) } ?? standard
    case "abs":
      guard let number = value.number else { throw JinjaFailure(.values, "bad operand type for abs(): '\(value.typeName)'") }
      return number < 0 ? try negated(value) : value
    default: return try rounded(value, arguments)
    }
  }

  private static func whole(_ value: JinjaValue, base: Int) -> Int? {
    if let integer = value.integer { return integer }
    guard let text = value.asText?.stripped(nil).string.filter({ $0 != "_" }) else {
      return value.number.flatMap { Int(exactly: $0.rounded(.towardZero)) }
    }
    if (2...36).contains(base), let integer = Int(text, radix: base) { return integer }
    return Double(text).flatMap { Int(exactly: $0.rounded(.towardZero)) }
  }

  private func rounded(_ value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    let values = try arguments.bind("round", "precision", "method")
    guard let number = value.number else { throw JinjaFailure(.values, "round needs a number, not '\(value.typeName)'") }
    let places = values[0]?.integer ?? 0
    let method = try optionalText(values[1])?.string ?? "common"
    guard (0...300).contains(places) else { throw JinjaFailure(.values, "round's precision is out of range") }
    if method == "common" {
      if let integer = value.integer { return .int(integer) }
      return .float(Double(JinjaNumber.fixed(number, places: places)) ?? number)
    }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    switch method {
    case "ceil": return .float((number * scale).rounded(.up) / scale)
    case "floor": return .float((number * scale).rounded(.down) / scale)
    default: throw JinjaFailure(.values, "method must be common, ceil or floor")
    }
  }

  // MARK: Texts

  private func apply(
    textFilter name: String, to text: JinjaText, _ arguments: JinjaCall
  ) throws(JinjaFailure) -> JinjaValue {
    try spend(text.count)
    switch name {
    case "upper": return .text(try checked(text.uppercased))
    case "lower": return .text(try checked(text.lowercased))
    case "capitalize": return .text(try checked(text.capitalized))
    case "title": return .text(try checked(text.titledByJinja))
    case "trim": return .text(text.stripped(try optionalText(try arguments.bind(name, "chars")[0])))
    case "replace":
      let values = try arguments.bind(name, "old", "new", "count")
      var plain = text
      plain.isMarkup = false
      return .text(
        try replaced(
          plain, try self.text(of: values[0] ?? .none), try self.text(of: values[1] ?? .none), values[2]?.integer ?? -1))
    case "indent": return .text(try indented(text, arguments))
    case "format":
      guard !arguments.named.isEmpty else {
        return .text(try printf(text, .sequence(try JinjaSequence(.tuple, arguments.positional))))
      }
      return .text(try printf(text, .mapping(try JinjaMapping(arguments.named.map { (.text($0.name), $0.value) }))))
    case "center":
      let width = try arguments.bind(name, "width")[0]?.integer ?? 80
      return .text(try padded(text, width: width, fill: JinjaText(" "), by: name))
    case "truncate": return .text(try truncated(text, arguments))
    default: return .int(text.wordCount)
    }
  }

  private func indented(_ text: JinjaText, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaText {
    let values = try arguments.bind("indent", "width", "first", "blank")
    let width = values[0]?.integer ?? 4
    try spend(length: max(width, 0))
    let indention = values[0]?.asText ?? JinjaText(String(repeating: " ", count: max(width, 0)))
    let (indentsFirst, indentsBlank) = (values[1]?.isTrue ?? false, values[2]?.isTrue ?? false)
    var result = JinjaText()
    result.isMarkup = text.isMarkup
    for (index, line) in (text + JinjaText("\n")).lines(keepingEnds: false).enumerated() {
      if index > 0 { result.append("\n") }
      if index == 0 ? indentsFirst : indentsBlank || !line.isEmpty { result.append(indention) }
      result.append(line)
      try spend(length: line.count + indention.count)
      guard result.count <= JinjaLimit.characters else {
        throw JinjaFailure(.limits, "a text has more than \(JinjaLimit.characters) characters")
      }
    }
    return result
  }

  private func truncated(_ text: JinjaText, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaText {
    let values = try arguments.bind("truncate", "length", "killwords", "end", "leeway")
    let (length, leeway) = (values[0]?.integer ?? 255, values[3]?.integer ?? 5)
    let end = try optionalText(values[2]) ?? JinjaText("...")
    guard length >= end.count, leeway >= 0 else { throw JinjaFailure(.values, "truncate's length or leeway is too small") }
    guard text.count > leeway, text.count - leeway > length else { return text }
    let start = text[0..<(length - end.count)]
    if values[1]?.isTrue ?? false { return start + end }
    return start[0..<(start.lastIndex(of: JinjaText(" ")) ?? start.count)] + end
  }
}

extension JinjaText {
  /// Each word's first letter in upper case, the others in lower case: Jinja's `title`, for which words begin after white
  /// space, hyphens and opening brackets.
  fileprivate var titledByJinja: JinjaText {
    var result = JinjaText()
    var startsWord = true
    var start = 0
    func flush(_ end: Int) -> JinjaText { self[start..<end].lowercased }
    for (index, unit) in units.enumerated() {
      let separates = Self.isSpace(unit) || "-({[<".unicodeScalars.contains(Self.scalar(unit))
      guard separates || startsWord else { continue }
      result.append(flush(index))
      result.append(separates ? self[index..<(index + 1)] : self[index..<(index + 1)].uppercased)
      (start, startsWord) = (index + 1, separates)
    }
    result.append(flush(count))
    result.isMarkup = false
    return result
  }

  /// Runs of letters, digits and underscores.
  fileprivate var wordCount: Int {
    var count = 0
    var isInWord = false
    for unit in units {
      let properties = Self.scalar(unit).properties
      let isWord = properties.isAlphabetic || properties.numericType != nil || Self.value(unit) == 95
      if isWord, !isInWord { count += 1 }
      isInWord = isWord
    }
    return count
  }
}
