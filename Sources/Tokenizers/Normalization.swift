import Tensors

/// What is done to a stretch of text before it is cut, compiled: normalizers, a character map, spaces as "▁".
struct Normalization: Sendable {
  private let steps: [TextNormalizer]
  private let map: CharacterMap?
  /// The rules of spaces; nil where tokens are bytes.
  private let spaces: SentencePieceRules?

  /// - Throws: TOK-18 when the character map is broken.
  init(_ definition: TokenizerDefinition) throws(LMToolError) {
    switch definition.model {
    case .byteLevel: (map, spaces) = (nil, nil)
    case .sentencePiece(let rules): (map, spaces) = (try rules.map(), rules)
    }
    let given = definition.normalizers
    steps = map == nil || given.contains(.characterMap) ? given : given + [.characterMap]
  }

  /// The text, valid UTF-8, as its words are looked for.
  ///
  /// - Parameter isFirst: whether nothing stands before it.
  func apply(_ text: UnsafeRawBufferPointer, isFirst: Bool) -> [UInt8] {
    guard !steps.isEmpty else { return escaped(text, isFirst) }
    var bytes = Array(text)
    for step in steps {
      if step == .characterMap, let map { bytes = bytes.withUnsafeBytes { map.apply($0) } } else { bytes = step.apply(bytes) }
    }
    return spaces == nil ? bytes : bytes.withUnsafeBytes { escaped($0, isFirst) }
  }

  private func escaped(_ text: UnsafeRawBufferPointer, _ isFirst: Bool) -> [UInt8] {
    spaces.map { SentencePieceText.escape(text, $0, isFirst: isFirst) } ?? Array(text)
  }
}

/// SentencePiece's treatment of spaces.
enum SentencePieceText {
  /// "▁", which stands for a space.
  static let mark: [UInt8] = [0xE2, 0x96, 0x81]

  /// The text with spaces as "▁", with one more in front where the rules want it.
  static func escape(_ text: UnsafeRawBufferPointer, _ rules: SentencePieceRules, isFirst: Bool) -> [UInt8] {
    let kept = rules.removesExtraSpaces ? trimmed(text) : Array(text)
    var result: [UInt8] = []
    result.reserveCapacity(kept.count + kept.count / 2 + 3)
    if wantsPrefix(kept, rules, isFirst) { result.append(contentsOf: mark) }
    for byte in kept {
      if byte == UInt8(ascii: " ") { result.append(contentsOf: mark) } else { result.append(byte) }
    }
    // SentencePiece drops what looks like spaces from the end only now, so a "▁" of the text itself goes too.
    if rules.removesExtraSpaces { while result.suffix(3).elementsEqual(mark) { result.removeLast(3) } }
    return result
  }

  private static func wantsPrefix(_ text: [UInt8], _ rules: SentencePieceRules, _ isFirst: Bool) -> Bool {
    let startsWithSpace = text.first == UInt8(ascii: " ") || text.starts(with: mark)
    return switch rules.prefix {
    case .never: false
    case .always: !text.isEmpty
    case .unlessSpace: !text.isEmpty && !startsWithSpace
    case .firstUnlessSpace: isFirst && !text.isEmpty && !startsWithSpace
    }
  }

  private static func trimmed(_ text: UnsafeRawBufferPointer) -> [UInt8] {
    var result: [UInt8] = []
    for byte in text where byte != UInt8(ascii: " ") || (result.last ?? UInt8(ascii: " ")) != UInt8(ascii: " ") {
      result.append(byte)
    }
    if result.last == UInt8(ascii: " ") { result.removeLast() }
    return result
  }

  /// The text of a piece, "▁" as a space.
  static func unescape(_ piece: some Collection<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var rest = Array(piece)[...]
    while let byte = rest.first {
      if rest.starts(with: mark) {
        result.append(UInt8(ascii: " "))
        rest = rest.dropFirst(3)
      } else {
        result.append(byte)
        rest = rest.dropFirst()
      }
    }
    return result
  }
}
