@_spi(_Unicode) import Swift

/// A step that changes text before it is cut, named as in tokenizer.json (TOK-19). The numbers are those of TOK-12.
public enum TextNormalizer: UInt8, Sendable, CaseIterable {
  /// Unicode normalization form C.
  case nfc = 1
  /// Unicode normalization form D.
  case nfd = 2
  /// Unicode normalization form KC.
  case nfkc = 3
  /// Unicode normalization form KD.
  case nfkd = 4
  /// Each character in lower case, whatever stands beside it.
  case lowercase = 5
  /// Combining marks go.
  case stripAccents = 6
  /// White space at the start goes.
  case stripLeft = 7
  /// White space at the end goes.
  case stripRight = 8
  /// What SentencePiece's nmt does first: control characters go, and other white space becomes spaces.
  case nmt = 9
  /// Spaces side by side become one.
  case joinSpaces = 10
  /// The place of the character map, where that does not come last.
  case characterMap = 11

  /// The text, valid UTF-8, as this step leaves it; a character map does nothing here.
  func apply(_ bytes: [UInt8]) -> [UInt8] {
    switch self {
    case .nfc: Unicode.composed(bytes)
    case .nfd: Unicode.decomposed(bytes)
    case .nfkc: Unicode.composed(CompatibilityDecomposition.shared.apply(bytes))
    case .nfkd: Unicode.decomposed(CompatibilityDecomposition.shared.apply(bytes))
    case .lowercase:
      Self.mapScalars(bytes) { $1.unicodeScalars.append(contentsOf: $0.properties.lowercaseMapping.unicodeScalars) }
    case .stripAccents: Self.mapScalars(bytes) { if !MarkSet.shared.contains($0) { $1.unicodeScalars.append($0) } }
    case .stripLeft: Self.kept(bytes) { $0.drop(while: \.properties.isWhitespace) }
    case .stripRight:
      Self.kept(bytes) { scalars in
        let last = scalars.lastIndex { !$0.properties.isWhitespace }
        return scalars[..<(last.map { scalars.index(after: $0) } ?? scalars.startIndex)]
      }
    case .nmt: Self.mapScalars(bytes, Self.appendNMT)
    case .joinSpaces: Self.joined(bytes)
    case .characterMap: bytes
    }
  }

  private static func mapScalars(_ bytes: [UInt8], _ body: (Unicode.Scalar, inout String) -> Void) -> [UInt8] {
    var result = ""
    result.reserveCapacity(bytes.count)
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars { body(scalar, &result) }
    return Array(result.utf8)
  }

  private static func kept(
    _ bytes: [UInt8], _ body: (String.UnicodeScalarView) -> Substring.UnicodeScalarView
  ) -> [UInt8] {
    Array(Substring(body(String(decoding: bytes, as: UTF8.self).unicodeScalars)).utf8)
  }

  /// The lists of `nmt.rs` in `tokenizers`, which are those of SentencePiece.
  private static func appendNMT(_ scalar: Unicode.Scalar, to result: inout String) {
    switch scalar.value {
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: break
    case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: result += " "
    default: result.unicodeScalars.append(scalar)
    }
  }

  private static func joined(_ bytes: [UInt8]) -> [UInt8] {
    let space = UInt8(ascii: " ")
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for byte in bytes where byte != space || result.last != space { result.append(byte) }
    return result
  }
}

extension Unicode {
  /// `bytes`, valid UTF-8, in normalization form C.
  ///
  /// The standard library keeps its normalizer behind an SPI, which FoundationEssentials uses too.
  fileprivate static func composed(_ bytes: [UInt8]) -> [UInt8] {
    // No character below U+0300 changes by itself or joins another one.
    guard bytes.contains(where: { $0 >= 0xCC }) else { return bytes }
    var result = ""
    result.unicodeScalars.append(contentsOf: String(decoding: bytes, as: UTF8.self)._nfc)
    return Array(result.utf8)
  }

  /// `bytes`, valid UTF-8, in normalization form D.
  fileprivate static func decomposed(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(where: { $0 >= 0x80 }) else { return bytes }
    var result = ""
    result.unicodeScalars.append(contentsOf: String(decoding: bytes, as: UTF8.self)._nfd)
    return Array(result.utf8)
  }
}
