/// GPT-2's alphabet: every byte as one printable character, in which tokenizer.json and GGUF spell byte-level tokens.
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var extra: UInt32 = 0x100
    return (0...255).map { (byte: UInt32) in
      if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte) {
        return Unicode.Scalar(UInt8(byte))
      }
      defer { extra += 1 }
      return Unicode.Scalar(extra) ?? " "
    }
  }()

  /// The byte of each character below U+0144, -1 where there is none.
  private static let bytes: [Int16] = {
    var table = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar.value)] = Int16(byte) }
    return table
  }()

  /// The bytes that `text`, UTF-8, spells; nil when it has a character outside the alphabet.
  static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var decoder = UTF8()
    var iterator = text.makeIterator()
    while true {
      switch decoder.decode(&iterator) {
      case .scalarValue(let scalar):
        guard scalar.value < 0x144, bytes[Int(scalar.value)] >= 0 else { return nil }
        result.append(UInt8(bytes[Int(scalar.value)]))
      case .emptyInput: return result
      case .error: return nil
      }
    }
  }

  /// The spelling of `bytes`, UTF-8.
  static func encode(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    for byte in bytes { result.append(contentsOf: UTF8.encode(scalars[Int(byte)]) ?? UTF8.encodedReplacementCharacter) }
    return result
  }
}

/// The spelling of the SentencePiece token for `byte`: `<0x0A>`.
func fallbackToken(for byte: UInt8) -> [UInt8] {
  let digits = Array("0123456789ABCDEF".utf8)
  return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]] + Array(">".utf8)
}

/// The byte that a token spelled `<0x0A>` stands for.
func byteOfFallbackToken(_ token: some Collection<UInt8>) -> UInt8? {
  guard token.count == 6, token.starts(with: "<0x".utf8), token.dropFirst(5).first == UInt8(ascii: ">") else { return nil }
  guard let text = String(validating: token.dropFirst(3).prefix(2), as: UTF8.self), !text.hasPrefix("+") else { return nil }
  return UInt8(text, radix: 16)
}
