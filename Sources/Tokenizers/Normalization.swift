@_spi(_Unicode) import Swift

/// `bytes`, valid UTF-8, in Unicode normalization form C.
///
/// The standard library keeps its normalizer behind an SPI, which FoundationEssentials uses too.
func normalizedNFC(_ bytes: [UInt8]) -> [UInt8] {
  // No character below U+0300 changes by itself or joins another one.
  guard bytes.contains(where: { $0 >= 0xCC }) else { return bytes }
  var result = ""
  result.unicodeScalars.append(contentsOf: String(decoding: bytes, as: UTF8.self)._nfc)
  return Array(result.utf8)
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
