/// A stretch of a prompt.
public struct PromptPiece: Sendable, Hashable {
  /// The text.
  public var text: String
  /// Whether special tokens in `text` are meant as such: true for what a chat template writes, false for what a user wrote.
  public var isControl: Bool

  /// Makes a piece.
  public init(_ text: String, isControl: Bool) {
    self.text = text
    self.isControl = isControl
  }
}

extension Tokenizer {
  /// The token ids of a text.
  ///
  /// - Parameters:
  ///   - addSpecial: whether the tokens that the model wants at the start and the end are added.
  ///   - parseSpecial: whether special tokens spelled in the text, such as `<|im_end|>`, become those tokens; false for
  ///     text that a user wrote. Added tokens that are not special are always matched.
  public func encode(_ text: String, addSpecial: Bool = true, parseSpecial: Bool = false) -> [Int32] {
    encode([PromptPiece(text, isControl: parseSpecial)], addSpecial: addSpecial)
  }

  /// The token ids of bytes; what is not UTF-8 counts as U+FFFD, one per maximal broken run, as in Python and in Swift.
  public func encode(bytes: UnsafeRawBufferPointer, addSpecial: Bool = true, parseSpecial: Bool = false) -> [Int32] {
    encode(String(decoding: bytes, as: UTF8.self), addSpecial: addSpecial, parseSpecial: parseSpecial)
  }

  /// The token ids of bytes; what is not UTF-8 counts as U+FFFD.
  public func encode(bytes: [UInt8], addSpecial: Bool = true, parseSpecial: Bool = false) -> [Int32] {
    encode(String(decoding: bytes, as: UTF8.self), addSpecial: addSpecial, parseSpecial: parseSpecial)
  }

  /// The token ids of a prompt, its pieces joined to one text; special tokens are matched in control pieces only.
  public func encode(_ pieces: [PromptPiece], addSpecial: Bool = true) -> [Int32] {
    var encoder = TextEncoder(self)
    if addSpecial, definition.addsBOS, let bos = definition.bos { encoder.ids.append(bos) }
    for piece in pieces {
      var text = piece.text
      text.withUTF8 { encoder.add(UnsafeRawBufferPointer($0), hasSpecial: piece.isControl) }
    }
    encoder.flush()
    if addSpecial, definition.addsEOS, let eos = definition.eos.first { encoder.ids.append(eos) }
    return encoder.ids
  }
}

/// Encodes one text, piece by piece.
private struct TextEncoder {
  var ids: [Int32] = []
  private let tokenizer: Tokenizer
  private var words: WordEncoder
  private var pending: [UInt8] = []
  private var hasSpecial = false
  private var isFirst = true

  init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
    words =
      switch tokenizer.core {
      case .byteLevel(let core): .byteLevel(ByteLevelEncoder(core))
      case .sentencePiece(let core): .sentencePiece(SentencePieceEncoder(core))
      }
  }

  /// Adds text; it stays pending until an added token or the end closes the stretch.
  mutating func add(_ bytes: UnsafeRawBufferPointer, hasSpecial: Bool) {
    self.hasSpecial = hasSpecial
    let matcher = tokenizer.matcher(isRaw: true, hasSpecial: hasSpecial)
    var parts: [(text: UnsafeRawBufferPointer?, token: AddedToken?)] = []
    matcher.forEach(in: bytes, text: { parts.append(($0, nil)) }, token: { parts.append((nil, $0)) })
    for part in parts {
      if let text = part.text { pending.append(contentsOf: text) }
      if let token = part.token { close(with: token) }
    }
  }

  private mutating func close(with token: AddedToken) {
    flush()
    ids.append(token.id)
    isFirst = false
  }

  /// Encodes the text that is pending.
  mutating func flush() {
    guard !pending.isEmpty else { return }
    let normalized = pending.withUnsafeBytes { tokenizer.normalization.apply($0, isFirst: isFirst) }
    let matcher = tokenizer.matcher(isRaw: false, hasSpecial: hasSpecial)
    normalized.withUnsafeBytes { bytes in
      var parts: [(text: UnsafeRawBufferPointer?, token: AddedToken?)] = []
      matcher.forEach(in: bytes, text: { parts.append(($0, nil)) }, token: { parts.append((nil, $0)) })
      for part in parts {
        if let text = part.text { words.encode(text, into: &ids) }
        if let token = part.token { ids.append(token.id) }
      }
    }
    pending.removeAll(keepingCapacity: true)
    isFirst = false
  }
}

/// Encodes stretches of text that hold no added tokens.
private enum WordEncoder {
  case byteLevel(ByteLevelEncoder)
  case sentencePiece(SentencePieceEncoder)

  func encode(_ text: UnsafeRawBufferPointer, into ids: inout [Int32]) {
    switch self {
    case .byteLevel(let encoder): encoder.encode(text, into: &ids)
    case .sentencePiece(let encoder): encoder.encode(text, into: &ids)
    }
  }
}
