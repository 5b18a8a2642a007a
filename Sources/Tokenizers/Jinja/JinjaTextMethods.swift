extension JinjaInterpreter {
  /// Calls a method of a text; what is escaped or marked as safe follows MarkupSafe.
  func call(method name: String, of text: JinjaText, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    switch name {
    case "upper": return .text(try checked(text.uppercased))
    case "lower", "casefold": return .text(try checked(text.lowercased))
    case "title": return .text(try checked(text.titled))
    case "capitalize": return .text(try checked(text.capitalized))
    case "swapcase": return .text(try checked(text.swappedCase))
    case "strip", "lstrip", "rstrip":
      let characters = try optionalText(try arguments.bind(name, "chars")[0])
      return .text(try checked(text.stripped(characters, left: name != "rstrip", right: name != "lstrip")))
    case "split", "rsplit": return try split(text, fromRight: name == "rsplit", arguments)
    case "splitlines":
      return try list(text.lines(keepingEnds: try arguments.bind(name, "keepends")[0]?.isTrue ?? false))
    case "startswith", "endswith": return .bool(try begins(text, atEnd: name == "endswith", arguments))
    case "replace":
      let values = try arguments.bind(name, "old", "new", "count")
      return .text(try replaced(text, try needed(values[0], name), try needed(values[1], name), values[2]?.integer ?? -1))
    case "join": return .text(try joined(try items(of: try arguments.bind(name, "iterable")[0] ?? .none), with: text))
    case "find", "rfind", "index", "rindex": return try find(text, name, arguments)
    case "count": return .int(text.occurrences(of: try needed(try arguments.bind(name, "sub")[0], name)).count)
    case "removeprefix", "removesuffix": return .text(try removing(text, name, arguments))
    case "partition", "rpartition": return try partition(text, fromRight: name == "rpartition", arguments)
    case "format": return .text(try formatted(text, arguments))
    case "zfill", "ljust", "rjust", "center": return .text(try padded(text, name, arguments))
    default: return .bool(Self.check(text, name))
    }
  }

  private static func check(_ text: JinjaText, _ name: String) -> Bool {
    switch name {
    case "isupper": text.isAll(uppercase: true)
    case "islower": text.isAll(uppercase: false)
    case "isspace": !text.isEmpty && text.units.allSatisfy(JinjaText.isSpace)
    case "isalpha": text.isAll { $0.isLetter }
    case "isdecimal": text.isAll { $0.numericType == .decimal }
    case "isdigit": text.isAll { $0.numericType == .decimal || $0.numericType == .digit }
    case "isnumeric": text.isAll { $0.numericType != nil }
    default: text.isAll { $0.isLetter || $0.numericType != nil }
    }
  }

  /// A text argument that must be there.
  func needed(_ value: JinjaValue?, _ function: String) throws(JinjaFailure) -> JinjaText {
    guard let text = value?.asText else {
      throw JinjaFailure(.values, "\(function) needs a string, not '\(value?.typeName ?? "nothing")'")
    }
    return text
  }

  /// A text argument that may be missing or None.
  func optionalText(_ value: JinjaValue?) throws(JinjaFailure) -> JinjaText? {
    switch value {
    case nil, .some(.none): return nil
    case .text(let text)?: return text
    case let other?: throw JinjaFailure(.values, "a string is needed, not '\(other.typeName)'")
    }
  }

  /// Texts as a list.
  func list(_ texts: [JinjaText]) throws(JinjaFailure) -> JinjaValue {
    try spend(texts.count + texts.reduce(0) { $0 + $1.count })
    return .sequence(try JinjaSequence(.list, texts.map { .text($0) }))
  }

  // MARK: Cutting

  private func split(_ text: JinjaText, fromRight: Bool, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    let values = try arguments.bind("split", "sep", "maxsplit")
    let limit = values[1]?.integer.flatMap { $0 < 0 ? nil : $0 } ?? .max
    guard let separator = try optionalText(values[0]) else {
      return try list(fromRight && limit < text.count ? text.wordsFromRight(limit: limit) : text.words(limit: limit))
    }
    guard !separator.isEmpty else { throw JinjaFailure(.values, "empty separator") }
    guard fromRight, limit < text.count else {
      return try list(text.split(at: text.occurrences(of: separator, limit: limit), length: separator.count))
    }
    var rest = text
    var indices: [Int] = []
    while indices.count < limit, let index = rest.lastIndex(of: separator) {
      try spend(rest.count)
      indices.insert(index, at: 0)
      rest = rest[0..<index]
    }
    return try list(text.split(at: indices, length: separator.count))
  }

  private func partition(_ text: JinjaText, fromRight: Bool, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    let separator = try needed(try arguments.bind("partition", "sep")[0], "partition")
    guard !separator.isEmpty else { throw JinjaFailure(.values, "empty separator") }
    let parts: [JinjaText]
    if let index = fromRight ? text.lastIndex(of: separator) : text.firstIndex(of: separator) {
      parts = [text[0..<index], separator, text[(index + separator.count)..<text.count]]
    } else {
      parts = fromRight ? [JinjaText(), JinjaText(), text] : [text, JinjaText(), JinjaText()]
    }
    return .sequence(try JinjaSequence(.tuple, parts.map { .text($0) }))
  }

  private func removing(_ text: JinjaText, _ name: String, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaText {
    let part = try needed(try arguments.bind(name, "affix")[0], name)
    if name == "removeprefix" { return text.hasPrefix(part) ? text[part.count..<text.count] : text }
    return text.hasSuffix(part) ? text[0..<(text.count - part.count)] : text
  }

  // MARK: Searching

  private func begins(_ text: JinjaText, atEnd: Bool, _ arguments: JinjaCall) throws(JinjaFailure) -> Bool {
    guard let wanted = try arguments.bind(atEnd ? "endswith" : "startswith", "affix")[0] else {
      throw JinjaFailure(.values, "a string is needed")
    }
    func matches(_ part: JinjaText) -> Bool { atEnd ? text.hasSuffix(part) : text.hasPrefix(part) }
    guard case .sequence(let choices) = wanted, choices.kind == .tuple else { return matches(try needed(wanted, "startswith")) }
    for choice in choices.items where matches(try needed(choice, "startswith")) { return true }
    return false
  }

  private func find(_ text: JinjaText, _ name: String, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    let values = try arguments.bind(name, "sub", "start", "end")
    let part = try needed(values[0], name)
    func bound(_ value: JinjaValue?, _ standard: Int) -> Int {
      let bound = value?.integer ?? standard
      return min(max(bound < 0 ? bound + text.count : bound, 0), text.count)
    }
    let (start, end) = (bound(values[1], 0), bound(values[2], text.count))
    let stretch = text[start..<max(start, end)]
    let index = name.hasPrefix("r") ? stretch.lastIndex(of: part) : stretch.firstIndex(of: part)
    guard index != nil || name.hasSuffix("find") else { throw JinjaFailure(.values, "substring not found") }
    return .int(index.map { $0 + start } ?? -1)
  }

  // MARK: Making

  /// Replaces at most `count` occurrences; all where it is negative.
  func replaced(_ text: JinjaText, _ old: JinjaText, _ new: JinjaText, _ count: Int) throws(JinjaFailure) -> JinjaText {
    let new = text.isMarkup ? new.escapedUnlessMarkup : new
    let limit = count < 0 ? .max : count
    var indices = text.occurrences(of: old, limit: limit)
    if old.isEmpty { indices = Array((0...text.count).prefix(limit)) }
    let growth = max(new.count - old.count, 0).multipliedReportingOverflow(by: indices.count)
    try spend(length: growth.overflow ? .max : text.count.addingReportingOverflow(growth.partialValue).partialValue)
    var result = JinjaText()
    var start = 0
    for index in indices {
      result.append(text[start..<index])
      result.append(new)
      start = index + old.count
    }
    result.append(text[start..<text.count])
    result.isMarkup = text.isMarkup
    return result
  }

  /// The texts of a list with `separator` between them.
  private func joined(_ items: [JinjaValue], with separator: JinjaText) throws(JinjaFailure) -> JinjaText {
    var result = JinjaText()
    result.isMarkup = separator.isMarkup
    for (index, item) in items.enumerated() {
      if index > 0 { result.append(separator) }
      let text = try needed(item, "join")
      result.append(separator.isMarkup ? text.escapedUnlessMarkup : text)
      try spend(length: text.count + separator.count)
      guard result.count <= JinjaLimit.characters else {
        throw JinjaFailure(.limits, "a text has more than \(JinjaLimit.characters) characters")
      }
    }
    return result
  }

  private func padded(_ text: JinjaText, _ name: String, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaText {
    let values = try arguments.bind(name, "width", "fillchar")
    guard let width = values[0]?.integer else { throw JinjaFailure(.values, "\(name) needs a width") }
    let fill = try optionalText(values[1]) ?? JinjaText(name == "zfill" ? "0" : " ")
    guard fill.count == 1 else { throw JinjaFailure(.values, "the fill character must be exactly one character long") }
    return try padded(text, width: width, fill: fill, by: name)
  }

  /// A text of at least `width` characters.
  func padded(_ text: JinjaText, width: Int, fill: JinjaText, by name: String) throws(JinjaFailure) -> JinjaText {
    guard width > text.count else { return text }
    try spend(length: width)
    let missing = width - text.count
    let left =
      switch name {
      case "ljust": 0
      case "center": missing / 2 + (missing & width & 1)
      default: missing
      }
    func filling(_ count: Int) -> [UInt32] { [UInt32](repeating: fill.units[0], count: count) }
    let isSigned = name == "zfill" && text.units.first.map { [43, 45].contains(JinjaText.value($0)) } ?? false
    let sign = isSigned ? Array(text.units.prefix(1)) : []
    return JinjaText(
      units: sign + filling(left) + text.units.dropFirst(sign.count) + filling(missing - left), isMarkup: text.isMarkup)
  }
}

extension Unicode.Scalar.Properties {
  /// Whether Python's `str.isalpha` holds: the general categories of letters.
  fileprivate var isLetter: Bool {
    switch generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }
}
