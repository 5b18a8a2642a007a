extension Tokenizer {
  /// The bytes that a token stands for: "▁" is a space, `<0x0A>` a byte; empty outside the vocabulary.
  public func bytes(of id: Int32) -> [UInt8] {
    guard id >= 0, id < definition.vocabularySize else { return [] }
    let token = definition.vocabulary[Int(id)]
    guard case .sentencePiece = definition.model else { return Array(token) }
    if definition.vocabulary.type(of: Int(id)) == .byte, let byte = byteOfFallbackToken(token) { return [byte] }
    return SentencePieceText.unescape(token)
  }

  /// Whether a token is special: the unknown token, a control token, or an added token that is marked special.
  public func isSpecial(_ id: Int32) -> Bool {
    guard id >= 0, id < definition.vocabularySize else { return false }
    switch definition.vocabulary.type(of: Int(id)) {
    case .control, .unknown: return true
    case .normal, .userDefined, .unused, .byte: return false
    }
  }

  /// The text of tokens, as bytes: it is UTF-8 where whole characters were encoded.
  ///
  /// The space that encoding puts in front of the text is dropped again. Ids outside the vocabulary count as nothing.
  ///
  /// - Parameter skipSpecial: whether special tokens are left out.
  public func decode(_ ids: [Int32], skipSpecial: Bool = false) -> [UInt8] {
    var result: [UInt8] = []
    for id in ids where !(skipSpecial && isSpecial(id)) { result.append(contentsOf: bytes(of: id)) }
    if stripsPrefix, result.first == UInt8(ascii: " ") { result.removeFirst() }
    return result
  }

  /// Whether a decoded text loses one space at its start.
  var stripsPrefix: Bool {
    if case .sentencePiece(let rules) = definition.model { rules.stripsPrefix } else { false }
  }
}

/// Turns tokens into text one by one and never emits half a character.
public struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipSpecial: Bool
  private var pending: [UInt8] = []
  private var stripsSpace: Bool

  /// Makes a decoder.
  ///
  /// - Parameters:
  ///   - skipSpecial: whether special tokens are left out.
  ///   - atStart: whether the first token starts a text, so that the space that encoding puts there is dropped; false
  ///     where the tokens continue a prompt.
  public init(_ tokenizer: Tokenizer, skipSpecial: Bool, atStart: Bool = false) {
    self.tokenizer = tokenizer
    self.skipSpecial = skipSpecial
    stripsSpace = atStart && tokenizer.stripsPrefix
  }

  /// Adds a token and returns the characters that are complete now; broken bytes come out as U+FFFD.
  public mutating func append(_ id: Int32) -> String {
    if skipSpecial && tokenizer.isSpecial(id) { return "" }
    var bytes = tokenizer.bytes(of: id)[...]
    if stripsSpace, !bytes.isEmpty {
      if bytes.first == UInt8(ascii: " ") { bytes = bytes.dropFirst() }
      stripsSpace = false
    }
    pending.append(contentsOf: bytes)
    let complete = pending.count - incompleteSuffix
    defer { pending.removeFirst(complete) }
    return String(decoding: pending[..<complete], as: UTF8.self)
  }

  /// What is left when no more tokens come; an incomplete character comes out as U+FFFD.
  public mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// The length of the bytes at the end that may yet become a character.
  private var incompleteSuffix: Int {
    for length in 1...3 where length <= pending.count {
      let lead = pending[pending.count - length]
      if lead & 0xC0 == 0x80 { continue }
      let wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1
      let isPrefix = wanted > length && Self.mayContinue(pending.suffix(length))
      return isPrefix ? length : 0
    }
    return 0
  }

  /// Whether bytes, a lead byte and what follows it, are the start of a well-formed character.
  private static func mayContinue(_ start: ArraySlice<UInt8>) -> Bool {
    guard let lead = start.first, lead >= 0xC2, lead <= 0xF4 else { return false }
    guard let second = start.dropFirst().first else { return true }
    switch lead {
    case 0xE0: return second >= 0xA0
    case 0xED: return second < 0xA0
    case 0xF0: return second >= 0x90
    case 0xF4: return second < 0x90
    default: return true
    }
  }
}
