import Tensors

/// Reads the JSON of a safetensors header in one pass: objects, strings, and arrays of integers; nothing else occurs there.
struct JSONScanner {
  private let bytes: UnsafeRawBufferPointer
  private let file: String
  /// Where in the file the text begins.
  private let start: Int
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer, file: String, start: Int) {
    self.bytes = bytes
    self.file = file
    self.start = start
  }

  /// The byte to be read next, 0 at the end: no JSON text has that byte.
  var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

  /// An error at the current position.
  func error(_ message: String, rule: String) -> LMToolError {
    LMToolError(.badInput, "the header: \(message)", file: file, at: .offset(start + position), rule: rule)
  }

  /// Reads an object, calling `member` after each key to read its value.
  mutating func object(
    _ member: (_ key: String, _ text: inout JSONScanner) throws(LMToolError) -> Void
  ) throws(LMToolError) {
    try list(from: "{", to: "}") { (text) throws(LMToolError) in
      let key = try text.string()
      try text.expect(":")
      try member(key, &text)
    }
  }

  /// Reads an array of integers.
  mutating func integers(atMost limit: Int) throws(LMToolError) -> [Int] {
    var integers: [Int] = []
    try list(from: "[", to: "]") { (text) throws(LMToolError) in
      guard integers.count < limit else { throw text.wrong("an array has more than \(limit) numbers") }
      integers.append(try text.integer())
    }
    return integers
  }

  /// Reads a string.
  mutating func string() throws(LMToolError) -> String {
    skipSpace()
    let first = position
    try expect("\"")
    var hasEscapes = false
    while next != UInt8(ascii: "\"") {
      guard next >= 0x20 else { throw wrong("a string does not end, or holds a control character") }
      let isEscape = next == UInt8(ascii: "\\")
      hasEscapes = hasEscapes || isEscape
      position += isEscape ? 2 : 1
    }
    position += 1
    return try text(first..<position, hasEscapes: hasEscapes)
  }

  /// Checks that nothing but white space is left.
  mutating func finish() throws(LMToolError) {
    skipSpace()
    guard position == bytes.count else { throw wrong("something follows the closing brace") }
  }

  /// The string in `range`, quotes included.
  private func text(_ range: Range<Int>, hasEscapes: Bool) throws(LMToolError) -> String {
    if hasEscapes {
      guard let text = try? decodeJSON(String.self, bytes: UnsafeRawBufferPointer(rebasing: bytes[range])) else {
        throw wrong("a string has a wrong escape or is not UTF-8")
      }
      return text
    }
    guard let text = String(validating: bytes[(range.lowerBound + 1)..<(range.upperBound - 1)], as: UTF8.self) else {
      throw wrong("a string is not UTF-8")
    }
    return text
  }

  private mutating func integer() throws(LMToolError) -> Int {
    skipSpace()
    let first = position
    if next == UInt8(ascii: "-") { position += 1 }
    while 48...57 ~= next { position += 1 }
    let digits = String(decoding: bytes[first..<position], as: UTF8.self)
    guard let value = Int(digits), String(value) == digits else { throw wrong("an integer is missing, malformed or too large") }
    return value
  }

  private mutating func list(
    from open: Unicode.Scalar, to close: Unicode.Scalar, _ element: (inout JSONScanner) throws(LMToolError) -> Void
  ) throws(LMToolError) {
    try expect(open)
    skipSpace()
    if next == UInt8(ascii: close) {
      position += 1
      return
    }
    try element(&self)
    while true {
      skipSpace()
      if next == UInt8(ascii: close) { break }
      try expect(",")
      try element(&self)
    }
    position += 1
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(LMToolError) {
    skipSpace()
    guard next == UInt8(ascii: character) else { throw wrong("expected \(character)") }
    position += 1
  }

  private mutating func skipSpace() {
    while next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 { position += 1 }
  }

  private func wrong(_ message: String) -> LMToolError { error(message, rule: "SAFETENSORS-3") }
}
