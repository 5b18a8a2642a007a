import Tensors

/// SentencePiece's compiled normalization, such as nmt_nfkc: a trie of character sequences and what each becomes (TOK-18).
///
/// The form is that of `precompiled_charsmap`: a u32 with the size of the trie, the trie (a double array of the darts-clone
/// library, u32 units), and the replacements, each ended by a zero byte.
struct CharacterMap: Sendable {
  private let units: [UInt32]
  private let replacements: [UInt8]
  /// The longest one of Unicode has 33 bytes (U+FDFA).
  private static let longestReplacement = 1024
  /// Whether whole graphemes of less than 6 bytes are looked up, as `tokenizers` does, or the longest sequence at each place.
  private let mapsGraphemes: Bool

  /// - Throws: TOK-18 when the form is broken.
  init(_ bytes: [UInt8], mapsGraphemes: Bool) throws(LMToolError) {
    var cursor = ByteCursor(bytes, rule: 18)
    let size = Int(try cursor.integer(UInt32.self, "the size of the character map"))
    guard size % 4 == 0, size > 0 else { throw cursor.failure("the character map has a trie of \(size) bytes") }
    let trie = try cursor.take(size, "the character map")
    units = bytes.withUnsafeBytes { bytes in
      stride(from: trie.lowerBound, to: trie.upperBound, by: 4).map {
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
      }
    }
    replacements = Array(bytes[trie.upperBound...])
    guard replacements.last == 0,
      replacements.split(separator: 0).allSatisfy({ $0.count <= Self.longestReplacement && $0.isValidUTF8 })
    else { throw cursor.failure("a replacement of the character map has no end, is too long, or is not valid UTF-8") }
    self.mapsGraphemes = mapsGraphemes
  }

  /// The text, valid UTF-8, with every sequence replaced.
  func apply(_ text: UnsafeRawBufferPointer) -> [UInt8] {
    mapsGraphemes ? applyByGraphemes(text) : applyLongest(text)
  }

  private func applyLongest(_ text: UnsafeRawBufferPointer) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var offset = 0
    while offset < text.count {
      var longest: (value: Int, length: Int)?
      search(text[offset...]) { longest = ($0, $1) }
      let length = longest?.length ?? text.characterLength(at: offset)
      if let longest { append(longest.value, to: &result) } else { result += text[offset..<(offset + length)] }
      offset += length
    }
    return result
  }

  private func applyByGraphemes(_ text: UnsafeRawBufferPointer) -> [UInt8] {
    var result: [UInt8] = []
    for grapheme in String(decoding: text, as: UTF8.self) {
      let bytes = Array(grapheme.utf8)
      if bytes.count < 6, let value = first(bytes) {
        append(value, to: &result)
        continue
      }
      for scalar in grapheme.unicodeScalars {
        let bytes = Array(String(scalar).utf8)
        if let value = first(bytes) { append(value, to: &result) } else { result += bytes }
      }
    }
    return result
  }

  /// The replacement of the shortest sequence that `bytes` starts with.
  private func first(_ bytes: [UInt8]) -> Int? {
    var found: Int?
    bytes.withUnsafeBytes { bytes in search(bytes[...]) { value, _ in found = found ?? value } }
    return found
  }

  private func append(_ value: Int, to result: inout [UInt8]) {
    var index = value
    while index < replacements.count, replacements[index] != 0 {
      result.append(replacements[index])
      index += 1
    }
  }

  /// Calls `body` with the replacement and the length of every sequence that `text` starts with, shortest first.
  private func search(_ text: Slice<UnsafeRawBufferPointer>, _ body: (_ value: Int, _ length: Int) -> Void) {
    var place = Self.offset(units[0])
    for (index, byte) in text.enumerated() {
      place ^= Int(byte)
      guard place < units.count, units[place] & 0x8000_00FF == UInt32(byte) else { return }
      let unit = units[place]
      place ^= Self.offset(unit)
      guard place < units.count else { return }
      if unit >> 8 & 1 == 1 { body(Int(units[place] & 0x7FFF_FFFF), index + 1) }
    }
  }

  private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 1 << 9) >> 6)) }
}
