/// Finds added tokens in text: of those that start at a place, the longest.
struct AddedTokenMatcher: Sendable {
  private struct Node {
    var children: [UInt8: Int32] = [:]
    var entry: Int32 = -1
  }

  /// A match: the token, and the text that it takes, white space that it strips included.
  struct Match {
    var token: AddedToken
    var range: Range<Int>
  }

  private var nodes = [Node()]
  private var tokens: [AddedToken] = []
  private var isFirstByte = [Bool](repeating: false, count: 256)

  /// A matcher for `tokens`, each with the bytes that stand for it.
  init(_ tokens: [(token: AddedToken, spelling: [UInt8])]) {
    for (token, spelling) in tokens where !spelling.isEmpty { add(token, spelling) }
  }

  /// Whether there is nothing to find.
  var isEmpty: Bool { tokens.isEmpty }

  private mutating func add(_ token: AddedToken, _ spelling: [UInt8]) {
    isFirstByte[Int(spelling[0])] = true
    var node = 0
    for byte in spelling {
      if let child = nodes[node].children[byte] {
        node = Int(child)
      } else {
        nodes.append(Node())
        nodes[node].children[byte] = Int32(nodes.count - 1)
        node = nodes.count - 1
      }
    }
    nodes[node].entry = Int32(tokens.count)
    tokens.append(token)
  }

  /// Calls `text` and `token` in turn with the stretches between matches and the tokens matched.
  func forEach(
    in bytes: UnsafeRawBufferPointer, text: (UnsafeRawBufferPointer) -> Void, token: (AddedToken) -> Void
  ) {
    var done = 0
    var start = 0
    while !isEmpty, let (match, end) = next(in: bytes, from: start, notBefore: done) {
      if match.range.lowerBound > done { text(UnsafeRawBufferPointer(rebasing: bytes[done..<match.range.lowerBound])) }
      token(match.token)
      done = match.range.upperBound
      start = max(end, done)
    }
    if done < bytes.count { text(UnsafeRawBufferPointer(rebasing: bytes[done...])) }
  }

  private func next(in bytes: UnsafeRawBufferPointer, from start: Int, notBefore: Int) -> (Match, end: Int)? {
    var offset = start
    while offset < bytes.count {
      guard isFirstByte[Int(bytes[offset])], let (token, end) = longest(in: bytes, at: offset) else {
        offset += 1
        continue
      }
      if !token.isSingleWord || standsAlone(offset..<end, in: bytes) {
        return (Match(token: token, range: widen(offset..<end, token, bytes, notBefore)), end)
      }
      offset = end
    }
    return nil
  }

  private func longest(in bytes: UnsafeRawBufferPointer, at start: Int) -> (AddedToken, Int)? {
    var node = 0
    var found: (AddedToken, Int)?
    for offset in start..<bytes.count {
      guard let child = nodes[node].children[bytes[offset]] else { break }
      node = Int(child)
      if nodes[node].entry >= 0 { found = (tokens[Int(nodes[node].entry)], offset + 1) }
    }
    return found
  }

  private func widen(
    _ range: Range<Int>, _ token: AddedToken, _ bytes: UnsafeRawBufferPointer, _ notBefore: Int
  ) -> Range<Int> {
    var (lower, upper) = (range.lowerBound, range.upperBound)
    if token.stripsLeft {
      while lower > notBefore, let scalar = bytes.scalar(before: lower), scalar.properties.isWhitespace {
        lower -= UTF8.width(scalar)
      }
    }
    if token.stripsRight {
      while let scalar = bytes.scalar(at: upper), scalar.properties.isWhitespace { upper += UTF8.width(scalar) }
    }
    return max(lower, notBefore)..<upper
  }

  private func standsAlone(_ range: Range<Int>, in bytes: UnsafeRawBufferPointer) -> Bool {
    let before = bytes.scalar(before: range.lowerBound)?.isWordCharacter ?? false
    let after = bytes.scalar(at: range.upperBound)?.isWordCharacter ?? false
    return !before && !after
  }
}

extension UnsafeRawBufferPointer {
  /// The character that starts at `offset`, nil at the end; the bytes must be valid UTF-8.
  fileprivate func scalar(at offset: Int) -> Unicode.Scalar? {
    guard offset < count else { return nil }
    return String(decoding: self[offset..<(offset + characterLength(at: offset))], as: UTF8.self).unicodeScalars.first
  }

  /// The character that ends before `offset`, nil at the start.
  fileprivate func scalar(before offset: Int) -> Unicode.Scalar? {
    var start = offset - 1
    while start > 0, self[start] & 0xC0 == 0x80 { start -= 1 }
    return start < 0 ? nil : scalar(at: start)
  }
}

extension Unicode.Scalar {
  /// Whether Oniguruma's and Rust's `\w` has the character.
  fileprivate var isWordCharacter: Bool {
    switch properties.generalCategory {
    case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark: true
    default: properties.isAlphabetic
    }
  }
}
