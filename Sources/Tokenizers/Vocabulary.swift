/// What a token is, numbered as in SentencePiece and GGUF.
public enum TokenType: UInt8, Sendable, CaseIterable {
  /// A piece of text.
  case normal = 1
  /// Stands for what the vocabulary cannot spell.
  case unknown = 2
  /// Steers the model; never comes from user text.
  case control = 3
  /// A piece that is matched whole before anything is merged.
  case userDefined = 4
  /// Takes up an id; never produced.
  case unused = 5
  /// One byte, for text that has no piece (`<0x0A>`).
  case byte = 6
}

/// The tokens of a tokenizer in id order, their bytes in one run.
///
/// Byte-level tokens are the bytes they stand for; SentencePiece tokens are spelled as in their file, with "▁" for a
/// space and `<0x0A>` for a byte. Special and added tokens are spelled as they appear in text.
public struct Vocabulary: Sendable, Equatable {
  /// The bytes of all tokens, one after the other.
  public private(set) var bytes: [UInt8] = []
  private var ends: [Int] = []
  private var types: [TokenType] = []

  /// An empty vocabulary.
  public init() {}

  /// The number of tokens.
  public var count: Int { ends.count }

  /// Makes room for `tokens` tokens of `bytes` bytes in all.
  public mutating func reserveCapacity(tokens: Int, bytes: Int) {
    ends.reserveCapacity(tokens)
    types.reserveCapacity(tokens)
    self.bytes.reserveCapacity(bytes)
  }

  /// Adds the token with the next id.
  public mutating func append(_ token: some Sequence<UInt8>, type: TokenType) {
    bytes.append(contentsOf: token)
    ends.append(bytes.count)
    types.append(type)
  }

  /// Where in `bytes` the token `id` lies.
  ///
  /// - Precondition: `id` is below `count`.
  public func range(of id: Int) -> Range<Int> { (id == 0 ? 0 : ends[id - 1])..<ends[id] }

  /// The bytes of the token `id`.
  public subscript(id: Int) -> ArraySlice<UInt8> { bytes[range(of: id)] }

  /// The type of the token `id`.
  public func type(of id: Int) -> TokenType { types[id] }

  /// Changes the type of the token `id`.
  public mutating func setType(_ type: TokenType, of id: Int) { types[id] = type }

  /// The text of the token `id`, broken UTF-8 replaced by U+FFFD.
  public func text(of id: Int) -> String { String(decoding: self[id], as: UTF8.self) }
}

extension TokenizerDefinition {
  /// The limits of rule TOK-1: what no real tokenizer reaches, and what bounds the memory that a hostile file costs.
  public enum Limit {
    /// Tokens of a vocabulary.
    public static let tokens = 1 << 22
    /// Merges.
    public static let merges = 1 << 23
    /// Bytes of one token.
    public static let tokenBytes = 65_535
    /// Bytes of all tokens.
    public static let vocabularyBytes = 1 << 27
    /// Bytes of all added tokens.
    public static let addedBytes = 1 << 20
    /// Steps of a pre-tokenizer.
    public static let steps = 64
    /// Bytes of a pattern.
    public static let patternBytes = 65_535
  }
}
