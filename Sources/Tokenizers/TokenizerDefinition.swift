import Tensors

/// A tokenizer as data, whatever file it came from. `formats/tokenizers.md` has the rules.
public struct TokenizerDefinition: Sendable, Equatable {
  /// How text becomes symbols, before any merge.
  public enum Model: Sendable, Equatable {
    /// Symbols are bytes, words are split by patterns (GPT-2 and its kin).
    case byteLevel(ByteLevelRules)
    /// Symbols are characters, spaces are "▁" (SentencePiece and its kin).
    case sentencePiece(SentencePieceRules)
  }

  /// The kind of tokenizer, and its rules.
  public var model: Model
  /// What changes text first, in order. A character map comes after them where they do not name its place.
  public var normalizers: [TextNormalizer] = []
  /// The tokens.
  public var vocabulary: Vocabulary
  /// The merges, first one first; empty when `scores` decide.
  public var merges: [Merge]
  /// A score per token: the best-scored pair merges first, or the best sum is taken (unigram). Empty when `merges` decide.
  public var scores: [Float]
  /// The tokens that are matched in text as a whole.
  public var added: [AddedToken]
  /// The token that starts a text.
  public var bos: Int32?
  /// The tokens that end a text; the first one is the model's own, the others end a turn as well.
  public var eos: [Int32] = []
  /// The token for what the vocabulary cannot spell.
  public var unknown: Int32?
  /// The token that fills up batches.
  public var padding: Int32?
  /// Whether an encoded text starts with `bos`.
  public var addsBOS = false
  /// Whether an encoded text ends with the first of `eos`.
  public var addsEOS = false

  /// A definition without special tokens; `validate` says whether it holds together.
  public init(
    model: Model, vocabulary: Vocabulary, merges: [Merge] = [], scores: [Float] = [], added: [AddedToken] = []
  ) {
    self.model = model
    self.vocabulary = vocabulary
    self.merges = merges
    self.scores = scores
    self.added = added
  }

  /// The number of tokens.
  public var vocabularySize: Int { vocabulary.count }
}

/// Two tokens that, side by side, become a third.
public struct Merge: Sendable, Hashable {
  /// The left token.
  public var left: Int32
  /// The right token.
  public var right: Int32
  /// The token that they become; its bytes are theirs, joined.
  public var result: Int32

  /// Makes a merge.
  public init(left: Int32, right: Int32, result: Int32) {
    self.left = left
    self.right = right
    self.result = result
  }
}

/// A token that is matched in text as a whole, before anything is merged.
public struct AddedToken: Sendable, Hashable {
  /// What text the token's spelling is compared with.
  public enum Matching: UInt8, Sendable, CaseIterable {
    /// The text as it was given.
    case raw = 0
    /// The normalized text, the spelling normalized too (`"normalized": true` of tokenizer.json).
    case normalized = 1
    /// The normalized text, the spelling as it is (SentencePiece's user-defined pieces).
    case piece = 2
  }

  /// The token.
  public var id: Int32
  /// Whether it is special: matched only where the caller allows it, left out by `skipSpecial`.
  public var isSpecial: Bool
  /// Whether white space before it belongs to it.
  public var stripsLeft: Bool
  /// Whether white space after it belongs to it.
  public var stripsRight: Bool
  /// Whether it is matched only where no letter, digit or underscore touches it.
  public var isSingleWord: Bool
  /// What it is compared with.
  public var matching: Matching

  /// Makes an added token.
  public init(
    id: Int32, isSpecial: Bool, stripsLeft: Bool = false, stripsRight: Bool = false, isSingleWord: Bool = false,
    matching: Matching = .raw
  ) {
    self.id = id
    self.isSpecial = isSpecial
    self.stripsLeft = stripsLeft
    self.stripsRight = stripsRight
    self.isSingleWord = isSingleWord
    self.matching = matching
  }
}
