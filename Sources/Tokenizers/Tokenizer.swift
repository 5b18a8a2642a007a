import Tensors

/// Turns text into token ids and back. Built once from a definition; may be used by many threads.
public final class Tokenizer: Sendable {
  /// What it was built from.
  public let definition: TokenizerDefinition
  let core: Core
  let normalization: Normalization
  private let matchers: [MatcherKey: AddedTokenMatcher]

  /// The parts that the two kinds of tokenizer work with.
  enum Core: Sendable {
    case byteLevel(ByteLevelCore)
    case sentencePiece(SentencePieceCore)
  }

  private struct MatcherKey: Hashable {
    var isRaw: Bool
    var hasSpecial: Bool
  }

  /// Builds the tables.
  ///
  /// - Throws: `badInput` when the definition does not hold together, a pattern does not compile, or two tokens that text
  ///   can become have the same bytes.
  public init(_ definition: TokenizerDefinition) throws(LMToolError) {
    try definition.validate()
    self.definition = definition
    let normalization = try Normalization(definition)
    self.normalization = normalization
    switch definition.model {
    case .byteLevel(let rules): core = .byteLevel(try ByteLevelCore(definition, rules))
    case .sentencePiece(let rules): core = .sentencePiece(try SentencePieceCore(definition, rules))
    }
    var matchers: [MatcherKey: AddedTokenMatcher] = [:]
    for hasSpecial in [false, true] {
      for isRaw in [false, true] {
        matchers[MatcherKey(isRaw: isRaw, hasSpecial: hasSpecial)] = Self.matcher(
          definition, normalization, isRaw: isRaw, hasSpecial: hasSpecial)
      }
    }
    self.matchers = matchers
  }

  /// A matcher for the added tokens that are compared with raw or with normalized text. Special tokens are compared
  /// with raw text whatever their file says (TOK-7).
  private static func matcher(
    _ definition: TokenizerDefinition, _ normalization: Normalization, isRaw: Bool, hasSpecial: Bool
  ) -> AddedTokenMatcher {
    // What a user defined competes with the other pieces of a unigram model, with a score that always wins (TOK-17).
    let tokens = definition.added.filter {
      (hasSpecial || !$0.isSpecial) && (($0.matching == .raw || $0.isSpecial) == isRaw)
        && !($0.matching == .piece && definition.isUnigram)
    }
    return AddedTokenMatcher(tokens.map { ($0, definition.spelling(of: $0, normalization)) })
  }

  /// The matcher for raw or normalized text, with or without special tokens.
  func matcher(isRaw: Bool, hasSpecial: Bool) -> AddedTokenMatcher {
    matchers[MatcherKey(isRaw: isRaw, hasSpecial: hasSpecial)] ?? AddedTokenMatcher([])
  }
}

extension TokenizerDefinition {
  /// Whether the scores of pieces add up.
  var isUnigram: Bool { if case .sentencePiece(let rules) = model { rules.isUnigram } else { false } }

  /// The bytes that stand for an added token in the text that it is compared with.
  func spelling(of token: AddedToken, _ normalization: Normalization) -> [UInt8] {
    let bytes = Array(vocabulary[Int(token.id)])
    guard token.matching == .normalized, !token.isSpecial else { return bytes }
    return bytes.withUnsafeBytes { normalization.apply($0, isFirst: true) }
  }
}
