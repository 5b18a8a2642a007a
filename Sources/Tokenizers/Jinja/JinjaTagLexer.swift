/// Reads what stands between `{{` and `}}`, or `{%` and `%}`.
enum JinjaTagLexer {
  /// Reads up to the end of the tag and past it.
  static func read(_ lexer: inout JinjaLexer, isVariable: Bool) throws(JinjaFailure) {
    let start = lexer.currentLine
    var open: [Unicode.Scalar] = []
    while let scalar = lexer.current {
      if open.isEmpty, lexer.closeTag(isVariable ? "}" : "%") { return lexer.add(isVariable ? .variableEnd : .blockEnd) }
      if scalar.isJinjaSpace {
        lexer.advance()
      } else if scalar == "'" || scalar == "\"" {
        try readText(&lexer, scalar)
      } else if scalar.isDigit {
        try readNumber(&lexer)
      } else if scalar == "_" || scalar.properties.isXIDStart {
        readName(&lexer)
      } else {
        try readSymbol(&lexer, &open)
      }
    }
    throw JinjaFailure(.syntax, "\(isVariable ? "{{" : "{%") has no end", line: start)
  }

  private static func readName(_ lexer: inout JinjaLexer) {
    var name = String.UnicodeScalarView()
    while let scalar = lexer.current, scalar == "_" || scalar.properties.isXIDContinue {
      name.append(scalar)
      lexer.advance()
    }
    lexer.add(.name(String(name)))
  }

  // MARK: Symbols

  private static let long = ["//", "**", "==", "!=", ">=", "<="]
  private static let short = "+-/*%~[](){}><=.:|,;"
  private static let closing: [Unicode.Scalar: Unicode.Scalar] = ["{": "}", "(": ")", "[": "]"]

  private static func readSymbol(_ lexer: inout JinjaLexer, _ open: inout [Unicode.Scalar]) throws(JinjaFailure) {
    let rest = lexer.rest
    if let symbol = long.first(where: { rest.starts(with: $0.unicodeScalars) }) {
      lexer.add(.symbol(symbol))
      lexer.advance()
      return lexer.advance()
    }
    guard let scalar = rest.first, short.unicodeScalars.contains(scalar) else {
      throw JinjaFailure(
        .syntax, "an unexpected character: \(rest.first.map { String(Character($0)) } ?? "")", line: lexer.currentLine)
    }
    if let end = closing[scalar] {
      open.append(end)
    } else if closing.values.contains(scalar), open.popLast() != scalar {
      throw JinjaFailure(.syntax, "an unexpected \(scalar)", line: lexer.currentLine)
    }
    guard open.count <= JinjaLimit.nesting else {
      throw JinjaFailure(.limits, "brackets are nested too deep", line: lexer.currentLine)
    }
    lexer.add(.symbol(String(Character(scalar))))
    lexer.advance()
  }

  // MARK: Numbers

  private static func readNumber(_ lexer: inout JinjaLexer) throws(JinjaFailure) {
    let rest = lexer.rest
    let followsDot = lexer.previous == "."
    var length = rest.prefix { $0.isDigit || $0 == "_" }.count
    var isFloat = false
    let prefixes: [String: Int] = ["0x": 16, "0o": 8, "0b": 2]
    let start = String(String.UnicodeScalarView(rest.prefix(2))).lowercased()
    if let radix = prefixes[start] {
      length = 2 + rest.dropFirst(2).prefix { $0 == "_" || Character($0).hexDigitValue.map { $0 < radix } ?? false }.count
      return try add(&lexer, rest.prefix(length).dropFirst(2), length, radix: radix)
    }
    if !followsDot {
      let fraction = rest.dropFirst(length)
      if fraction.first == ".", fraction.dropFirst().first?.isDigit ?? false {
        length += 1 + fraction.dropFirst().prefix { $0.isDigit || $0 == "_" }.count
        isFloat = true
      }
      let exponent = rest.dropFirst(length)
      if exponent.first == "e" || exponent.first == "E" {
        let sign = exponent.dropFirst().first.map { $0 == "+" || $0 == "-" } ?? false ? 1 : 0
        let digits = exponent.dropFirst(1 + sign).prefix { $0.isDigit }.count
        if digits > 0 { (length, isFloat) = (length + 1 + sign + digits, true) }
      }
    }
    guard isFloat else { return try add(&lexer, rest.prefix(length), length, radix: 10) }
    let text = String(String.UnicodeScalarView(rest.prefix(length))).filter { $0 != "_" }
    guard let value = Double(text) else { throw JinjaFailure(.syntax, "an odd number", line: lexer.currentLine) }
    lexer.add(.float(value))
    for _ in 0..<length { lexer.advance() }
  }

  private static func add(
    _ lexer: inout JinjaLexer, _ digits: ArraySlice<Unicode.Scalar>, _ length: Int, radix: Int
  ) throws(JinjaFailure) {
    let text = String(String.UnicodeScalarView(digits)).filter { $0 != "_" }
    guard let value = Int(text, radix: radix) else {
      throw JinjaFailure(.syntax, "a number is too large", line: lexer.currentLine)
    }
    lexer.add(.int(value))
    for _ in 0..<length { lexer.advance() }
  }

  // MARK: Strings

  private static func readText(_ lexer: inout JinjaLexer, _ quote: Unicode.Scalar) throws(JinjaFailure) {
    let line = lexer.currentLine
    var text = String.UnicodeScalarView()
    lexer.advance()
    while let scalar = lexer.current {
      lexer.advance()
      if scalar == quote { return lexer.add(.text(String(text)), line: line) }
      if scalar == "\\" { try readEscape(&lexer, &text, line) } else { text.append(scalar) }
    }
    throw JinjaFailure(.syntax, "a string has no end", line: line)
  }

  private static let escapes: [Unicode.Scalar: Unicode.Scalar] = [
    "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"", "a": "\u{7}", "b": "\u{8}", "f": "\u{C}", "v": "\u{B}",
  ]

  /// Python's escapes; one that is unknown stays as it is.
  private static func readEscape(
    _ lexer: inout JinjaLexer, _ text: inout String.UnicodeScalarView, _ line: Int
  ) throws(JinjaFailure) {
    guard let scalar = lexer.current else { return }
    if let plain = escapes[scalar] {
      text.append(plain)
      return lexer.advance()
    }
    switch scalar {
    case "\n": lexer.advance()
    case "x": try readCode(&lexer, &text, digits: 2, line)
    case "u": try readCode(&lexer, &text, digits: 4, line)
    case "U": try readCode(&lexer, &text, digits: 8, line)
    case "0"..."7":
      var value: UInt32 = 0
      var length = 0
      while length < 3, let digit = lexer.current, ("0"..."7").contains(digit) {
        value = value * 8 + digit.value - 48
        length += 1
        lexer.advance()
      }
      text.append(Unicode.Scalar(value) ?? "\u{FFFD}")
    case "N": throw JinjaFailure(.syntax, "characters by name are not supported", line: line)
    default: text.append("\\")
    }
  }

  private static func readCode(
    _ lexer: inout JinjaLexer, _ text: inout String.UnicodeScalarView, digits: Int, _ line: Int
  ) throws(JinjaFailure) {
    lexer.advance()
    var value: UInt32 = 0
    for _ in 0..<digits {
      guard let digit = lexer.current.flatMap({ Character($0).hexDigitValue }) else {
        throw JinjaFailure(.syntax, "an escape has too few digits", line: line)
      }
      value = value << 4 | UInt32(digit)
      lexer.advance()
    }
    guard let scalar = Unicode.Scalar(value) else { throw JinjaFailure(.syntax, "an escape is no character", line: line) }
    text.append(scalar)
  }
}

extension Unicode.Scalar {
  /// Whether it is one of 0 to 9.
  var isDigit: Bool { ("0"..."9").contains(self) }
}
