/// The rules of a byte-level BPE tokenizer.
public struct ByteLevelRules: Sendable, Equatable {
  /// The steps that cut text into words, in order; merges never cross a cut.
  public var steps: [PreTokenizerStep] = [.gpt2]
  /// Whether each piece that reaches the last step gets a space in front unless it has one.
  public var addsPrefixSpace = false
  /// Whether a word that is a token is taken as that token without merging.
  public var ignoresMerges = false
  /// Whether a byte without a token becomes the unknown token; otherwise it is dropped, as `tokenizers` does.
  public var emitsUnknown = false

  /// The rules of GPT-2.
  public init() {}
}

/// One step that cuts text into words.
public enum PreTokenizerStep: Sendable, Equatable {
  /// The pattern of GPT-2.
  case gpt2
  /// Runs of digits apart from the rest, or each digit on its own.
  case digits(individual: Bool)
  /// Punctuation apart from the rest.
  case punctuation(SplitBehavior)
  /// A pattern or a fixed text.
  case split(Split)

  /// A cut at each match of a pattern.
  public struct Split: Sendable, Equatable {
    /// The pattern, in Oniguruma's syntax, or the text.
    public var pattern: String
    /// Whether `pattern` is a regular expression.
    public var isRegex: Bool
    /// What becomes of a match.
    public var behavior: SplitBehavior
    /// Whether what lies between the matches counts as the matches.
    public var inverts: Bool

    /// Makes a step; by default each match of a regular expression stands alone.
    public init(pattern: String, isRegex: Bool = true, behavior: SplitBehavior = .isolated, inverts: Bool = false) {
      self.pattern = pattern
      self.isRegex = isRegex
      self.behavior = behavior
      self.inverts = inverts
    }
  }
}

/// What becomes of the matches of a step, named as in tokenizer.json.
public enum SplitBehavior: UInt8, Sendable, CaseIterable {
  /// A match is a word of its own.
  case isolated = 0
  /// A match is dropped.
  case removed = 1
  /// A match ends the word before it.
  case mergedWithPrevious = 2
  /// A match starts the word after it.
  case mergedWithNext = 3
  /// Matches that touch are one word.
  case contiguous = 4

  /// The name in tokenizer.json.
  public var name: String {
    switch self {
    case .isolated: "Isolated"
    case .removed: "Removed"
    case .mergedWithPrevious: "MergedWithPrevious"
    case .mergedWithNext: "MergedWithNext"
    case .contiguous: "Contiguous"
    }
  }
}

/// The rules of a SentencePiece-style tokenizer.
public struct SentencePieceRules: Sendable, Equatable {
  /// When a text gets a "▁" in front.
  public enum Prefix: UInt8, Sendable, CaseIterable {
    /// Never.
    case never = 0
    /// Every stretch of text between added tokens, always.
    case always = 1
    /// Every stretch, unless it starts with a space.
    case unlessSpace = 2
    /// The first stretch only, unless it starts with a space.
    case firstUnlessSpace = 3
  }

  /// When a text gets a "▁" in front.
  public var prefix = Prefix.always
  /// Whether spaces at both ends are dropped and runs of spaces become one.
  public var removesExtraSpaces = false
  /// Whether merges stop at each "▁".
  public var splitsWords = false
  /// Whether characters without a token become the tokens of their bytes.
  public var byteFallback = true
  /// Whether unknown characters side by side become one unknown token.
  public var fusesUnknown = true
  /// Whether a word that is a token is taken as that token without merging.
  public var ignoresMerges = false
  /// Whether decoding drops one space from the start of the text.
  public var stripsPrefix = true
  /// Whether the scores of pieces add up (unigram), instead of saying which pair merges first (BPE).
  public var isUnigram = false
  /// The compiled normalization (`precompiled_charsmap`); empty where there is none.
  public var characterMap: [UInt8] = []
  /// Whether that looks up whole graphemes, as `tokenizers` does.
  public var mapsGraphemes = false

  /// The rules of Llama 2.
  public init() {}
}
