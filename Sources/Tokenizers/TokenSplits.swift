import Tensors

/// What a smaller vocabulary makes of each token of a larger one: the token itself, or the pieces that it is split into.
///
/// Derived from the two tokenizers alone: tokens are the same where they are spelled the same.
public struct TokenSplits: Sendable {
  /// The tokenizer of the larger vocabulary.
  public let large: Tokenizer
  /// The tokens of the larger vocabulary that are gone from the smaller one and spelled by pieces of it, ascending.
  public let split: [Int32]
  /// The token of the larger vocabulary that each token of the smaller one is; -1 where no text becomes it.
  public let oldIDs: [Int32]
  private var pieces: [Int32] = []
  private var ends: [Int] = []

  /// - Throws: `usage` when `small` is no part of `large`.
  public init(of large: Tokenizer, in small: Tokenizer) throws(LMToolError) {
    self.large = large
    guard large.definition.model == small.definition.model else {
      throw LMToolError(.usage, "the tokenizers follow different rules; only a vocabulary and a part of it can be compared")
    }
    oldIDs = try Self.oldIDs(of: small.definition, in: large.definition)
    var new = [Int32](repeating: -1, count: large.definition.vocabularySize)
    for (id, old) in oldIDs.enumerated() where old >= 0 { new[Int(old)] = Int32(id) }
    let segmenter = Segmenter(small)
    let vocabulary = large.definition.vocabulary
    var split: [Int32] = []
    for id in 0..<vocabulary.count {
      if new[id] >= 0 {
        pieces.append(new[id])
      } else if vocabulary.type(of: id) == .normal {
        pieces += segmenter.pieces(of: vocabulary[id])
        split.append(Int32(id))
      }
      ends.append(pieces.count)
    }
    self.split = split
  }

  /// The number of tokens of the larger vocabulary.
  public var count: Int { ends.count }

  /// The pieces of a token of the larger vocabulary; none for a token that no text becomes.
  public subscript(id: Int32) -> ArraySlice<Int32> { pieces[(id == 0 ? 0 : ends[Int(id) - 1])..<ends[Int(id)]] }

  /// What two tokens must share to be the same: bytes as pieces and `<0x41>` as a byte are different tokens.
  private struct Spelling: Hashable {
    var bytes: ArraySlice<UInt8>
    var isText: Bool
    var isByte: Bool

    init(_ vocabulary: Vocabulary, _ id: Int) {
      bytes = vocabulary[id]
      isText = vocabulary.type(of: id) == .normal
      isByte = vocabulary.type(of: id) == .byte
    }
  }

  private static func oldIDs(of small: TokenizerDefinition, in large: TokenizerDefinition) throws(LMToolError) -> [Int32] {
    var known: [Spelling: Int32] = [:]
    for id in 0..<large.vocabularySize where large.vocabulary.type(of: id) != .unused {
      known[Spelling(large.vocabulary, id)] = Int32(id)
    }
    var result: [Int32] = []
    for id in 0..<small.vocabularySize {
      let old = known[Spelling(small.vocabulary, id)]
      guard old != nil || small.vocabulary.type(of: id) == .unused else {
        throw LMToolError(
          .usage,
          "the token \"\(small.vocabulary.text(of: id).printable)\" is in one vocabulary and not in the other; only a vocabulary "
            + "and a part of it can be compared")
      }
      result.append(old ?? -1)
    }
    return result
  }
}
