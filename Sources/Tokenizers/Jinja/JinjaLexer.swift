/// Cuts a template into tokens, with white space removed as transformers configures Jinja: `trim_blocks`,
/// `lstrip_blocks`, no final line feed (TPL-2).
struct JinjaLexer {
  private let source: [Unicode.Scalar]
  private var position = 0
  private var line = 1
  private var tokens: [JinjaToken] = []
  /// Whether the text before `position` ended with a line feed.
  private var isLineStart = true

  init(_ text: String) {
    var scalars: [Unicode.Scalar] = []
    for scalar in text.unicodeScalars {
      if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
      scalars.append(scalar)
    }
    source = scalars.map { $0 == "\r" ? "\n" : $0 }.droppingFinalLineFeed
  }

  /// All tokens, `end` last.
  mutating func read() throws(JinjaFailure) -> [JinjaToken] {
    while position < source.count { try readPart() }
    add(.end)
    return tokens
  }

  // MARK: Text and tags

  private mutating func readPart() throws(JinjaFailure) {
    let start = position
    while position < source.count, !isTagStart(position) { position += 1 }
    guard position < source.count else { return addData(start..<position, strips: nil) }
    let isVariable = source[position + 1] == "{"
    let isComment = source[position + 1] == "#"
    let tag = position
    position += 2
    let sign = current == "-" || current == "+" ? current : nil
    if sign != nil { position += 1 }
    addData(start..<tag, strips: sign == "-" ? .all : sign == nil && !isVariable ? .line : nil)
    if isComment { return try skipComment() }
    if !isVariable, try readRaw() { return }
    add(isVariable ? .variableBegin : .blockBegin)
    try JinjaTagLexer.read(&self, isVariable: isVariable)
  }

  private func isTagStart(_ index: Int) -> Bool {
    source[index] == "{" && index + 1 < source.count && "{%#".unicodeScalars.contains(source[index + 1])
  }

  /// What goes from the end of a text before a tag.
  private enum Stripping {
    /// White space.
    case all
    /// White space after the last line feed, if there is nothing else.
    case line
  }

  private mutating func addData(_ range: Range<Int>, strips: Stripping?) {
    var end = range.upperBound
    switch strips {
    case .all: while end > range.lowerBound, source[end - 1].isJinjaSpace { end -= 1 }
    case .line:
      var start = end
      while start > range.lowerBound, source[start - 1] != "\n", source[start - 1].isJinjaSpace { start -= 1 }
      if start > range.lowerBound ? source[start - 1] == "\n" : isLineStart { end = start }
    case nil: break
    }
    if end > range.lowerBound { add(.data(String(String.UnicodeScalarView(source[range.lowerBound..<end])))) }
    line += source[range].count { $0 == "\n" }
  }

  private mutating func skipComment() throws(JinjaFailure) {
    let start = line
    while position < source.count {
      if closeTag("#") { return }
      advance()
    }
    throw JinjaFailure(.syntax, "a comment has no end", line: start)
  }

  /// Passes the end of a tag if it is here, with the white space that goes with it.
  mutating func closeTag(_ character: Unicode.Scalar) -> Bool {
    var sign: Unicode.Scalar?
    var index = position
    if character != "}", current == "-" || current == "+" { (sign, index) = (current, position + 1) }
    if character == "}", current == "-" { (sign, index) = ("-", position + 1) }
    guard index + 1 < source.count, source[index] == character, source[index + 1] == "}" else { return false }
    position = index + 2
    isLineStart = false
    if sign == "-" {
      while let scalar = current, scalar.isJinjaSpace { advance() }
      isLineStart = source[position - 1] == "\n"
    } else if sign == nil, character != "}", current == "\n" {
      advance()
      isLineStart = true
    }
    return true
  }

  /// Reads `{% raw %}` up to its end, if that is what begins here.
  private mutating func readRaw() throws(JinjaFailure) -> Bool {
    let (start, startLine) = (position, line)
    guard passWord("raw"), let strips = passRawEnd() else {
      (position, line) = (start, startLine)
      return false
    }
    if strips { while let scalar = current, scalar.isJinjaSpace { advance() } }
    isLineStart = source[position - 1] == "\n"
    let text = position
    while position < source.count {
      let (tag, tagLine) = (position, line)
      if source[position] == "{", position + 1 < source.count, source[position + 1] == "%" {
        position += 2
        let sign = current == "-" || current == "+" ? current : nil
        if sign != nil { position += 1 }
        if passWord("endraw"), closeTag("%") {
          let (after, afterLine) = (position, line)
          line = startLine
          addData(text..<tag, strips: sign == "-" ? .all : sign == nil ? .line : nil)
          (position, line) = (after, afterLine)
          return true
        }
        (position, line) = (tag, tagLine)
      }
      advance()
    }
    throw JinjaFailure(.syntax, "raw has no end", line: startLine)
  }

  /// Passes a word with white space around it.
  private mutating func passWord(_ word: String) -> Bool {
    while let scalar = current, scalar.isJinjaSpace { advance() }
    guard source[position...].starts(with: word.unicodeScalars) else { return false }
    position += word.unicodeScalars.count
    while let scalar = current, scalar.isJinjaSpace { advance() }
    return true
  }

  /// Passes `%}` or `-%}`; whether white space after it goes; nil where neither is here. No line feed goes with it.
  private mutating func passRawEnd() -> Bool? {
    let strips = current == "-"
    let index = position + (strips ? 1 : 0)
    guard index + 1 < source.count, source[index] == "%", source[index + 1] == "}" else { return nil }
    position = index + 2
    return strips
  }

  // MARK: What the reader of tags needs

  /// The character here.
  var current: Unicode.Scalar? { position < source.count ? source[position] : nil }
  /// The characters from here on.
  var rest: ArraySlice<Unicode.Scalar> { source[position...] }
  /// The character before this one.
  var previous: Unicode.Scalar? { position > 0 ? source[position - 1] : nil }
  /// The line here.
  var currentLine: Int { line }

  /// Passes a character.
  mutating func advance() {
    if source[position] == "\n" { line += 1 }
    position += 1
  }

  /// Adds a token.
  mutating func add(_ kind: JinjaToken.Kind, line: Int? = nil) { tokens.append(JinjaToken(kind: kind, line: line ?? self.line)) }
}

extension Unicode.Scalar {
  /// White space, as Python's regular expressions see it.
  var isJinjaSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }
}

extension [Unicode.Scalar] {
  fileprivate var droppingFinalLineFeed: [Unicode.Scalar] { last == "\n" ? dropLast() : self }
}
