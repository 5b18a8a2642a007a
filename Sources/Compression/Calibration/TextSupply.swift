import Tensors
import Tokenizers

/// Windows of a text file, spread evenly over it. A file that is much larger than what is wanted of it is not read whole.
struct TextSupply: WindowSupply {
  let path: String
  let warnings: [String]
  private let file: MappedFile
  private let tokenizer: Tokenizer
  /// BOS, where the model wants one in front of a text.
  private let start: [Int32]
  /// The tokens of the whole file, where it is small.
  private let tokens: [Int32]?

  /// Bytes of text for each token that is wanted: a tokenizer that spells everything in bytes needs 1, English about 4.5.
  private static let bytesPerToken = 32

  /// - Throws: `missingInput`; `badInput` when the file is empty or no text.
  init(path: String, tokenizer: Tokenizer, tokens wanted: Int) throws(LMToolError) {
    self.path = path
    self.tokenizer = tokenizer
    file = try MappedFile(path: path)
    warnings = try TextCheck(file).warnings
    start = tokenizer.definition.addsBOS ? tokenizer.definition.bos.map { [$0] } ?? [] : []
    tokens =
      file.count <= wanted * Self.bytesPerToken
      ? file.withBytes(0..<file.count) { tokenizer.encode(bytes: $0, addSpecial: false) } : nil
  }

  func available(length: Int) -> Int {
    let payload = length - start.count
    guard payload > 0 else { return 0 }
    return tokens.map { $0.count / payload } ?? file.count / (payload * Self.bytesPerToken)
  }

  func windows(_ count: Int, length: Int) -> [[Int32]] {
    let payload = length - start.count
    if let tokens {
      return (0..<count).map { index in
        let from = tokens.count * index / count
        return start + tokens[from..<from + payload]
      }
    }
    return (0..<count).compactMap { index in
      let from = lineStart(after: file.count / count * index)
      let piece = from..<min(from + payload * Self.bytesPerToken, file.count)
      let tokens = file.withBytes(piece) { tokenizer.encode(bytes: $0, addSpecial: false) }
      file.discard(piece)
      return tokens.count >= payload ? start + tokens.prefix(payload) : nil
    }
  }

  /// The first byte of the next line, or of the next character where the line goes on and on.
  private func lineStart(after offset: Int) -> Int {
    guard offset > 0 else { return 0 }
    let reach = offset..<min(offset + 4096, file.count)
    return file.withBytes(reach) { bytes in
      if let newline = bytes.firstIndex(of: UInt8(ascii: "\n")) { return offset + newline + 1 }
      return offset + (bytes.firstIndex { $0 & 0xC0 != 0x80 } ?? 0)
    }
  }
}

/// Whether a file is text at all.
struct TextCheck {
  /// What is odd about it.
  let warnings: [String]

  /// Bytes that are looked at, in pieces spread over the file.
  private static let piece = 1 << 14, pieces = 64

  /// - Throws: `badInput` for files that are empty or mostly no text.
  init(_ file: MappedFile) throws(LMToolError) {
    guard file.count > 0 else { throw LMToolError(.badInput, "the file is empty; calibration needs text", file: file.path) }
    var seen = 0, odd = 0
    for index in 0..<Self.pieces {
      let from = file.count / Self.pieces * index
      let end = min(from + min(Self.piece, max(1, file.count / Self.pieces)), file.count)
      let whole = file.count <= Self.piece * Self.pieces
      let range = whole ? 0..<file.count : from..<end
      let text = file.withBytes(range) { String(decoding: $0, as: UTF8.self) }
      seen += range.count
      odd += text.unicodeScalars.count { Self.isOdd($0) }
      if whole { break }
    }
    if odd * 10 > seen {
      throw LMToolError(
        .badInput, "this is no text in UTF-8: \(100 * odd / seen) % of it are control characters or broken characters",
        file: file.path)
    }
    warnings =
      odd * 1000 > seen
      ? ["\(file.path.printable): \(odd) of \(seen) characters looked at are control characters or broken; is it text in UTF-8?"]
      : []
  }

  /// Control characters other than white space, and what stands for bytes that are not UTF-8.
  private static func isOdd(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "\u{FFFD}" || scalar.value == 127 || (scalar.value < 32 && !(9...13).contains(scalar.value))
  }
}
