import Tensors

/// How each token comes about: the two tokens that it is merged from when its own text is encoded (TOK-13).
public struct TokenParents: Sendable {
  /// Left and right of each token, -1 where there is none.
  private let pairs: [(left: Int32, right: Int32)]
  /// Whether the tokenizer cannot do without a token, by id (TOK-13).
  public let isRequired: [Bool]

  /// Encodes every token of `tokenizer`.
  public init(_ tokenizer: Tokenizer) {
    let definition = tokenizer.definition, size = Int32(definition.vocabularySize)
    let segmenter = Segmenter(tokenizer)
    pairs = (0..<size).map { id in
      guard definition.vocabulary.type(of: Int(id)) == .normal else { return (-1, -1) }
      guard segmenter.pieces(of: definition.vocabulary[Int(id)]) == [id], let last = segmenter.lastPair else { return (-1, -1) }
      return (last.left < size ? last.left : -1, last.right < size ? last.right : -1)
    }
    isRequired = definition.requiredTokens()
  }

  /// The tokens that `id` is merged from: none, where it is a byte or a character, or where merges do not make it.
  public func parents(of id: Int32) -> [Int32] {
    let (left, right) = pairs[Int(id)]
    return [left, right].filter { $0 >= 0 }
  }

  /// The smallest set that has all of `ids`, the required tokens, and with each token its parents; by id.
  public func closure(of ids: some Sequence<Int32>) -> [Bool] {
    var isKept = isRequired
    var pending = ids.filter { !isKept[Int($0)] } + isRequired.indices.filter { isRequired[$0] }.map { Int32($0) }
    while let id = pending.popLast() {
      isKept[Int(id)] = true
      pending += parents(of: id).filter { !isKept[Int($0)] }
    }
    return isKept
  }
}

extension TokenizerDefinition {
  /// Which tokens no vocabulary of this tokenizer may lack, by id: special and added ones, and those that spell what nothing
  /// else spells.
  func requiredTokens() -> [Bool] {
    let hasAllBytes = spellsEveryByte
    var isRequired = (0..<vocabularySize).map { id in
      switch vocabulary.type(of: id) {
      case .control, .unknown, .userDefined, .byte: true
      case .unused: false
      case .normal: isElementary(vocabulary[id], hasAllBytes: hasAllBytes)
      }
    }
    for id in added.map(\.id) + eos + [bos, unknown, padding].compactMap({ $0 }) { isRequired[Int(id)] = true }
    return isRequired
  }

  /// Whether a piece of text is a byte, or a character for which no byte tokens can stand. They cannot stand for "▁": decoding
  /// would not make a space of them.
  private func isElementary(_ token: ArraySlice<UInt8>, hasAllBytes: Bool) -> Bool {
    switch model {
    case .byteLevel: return token.count == 1
    case .sentencePiece:
      guard !token.isEmpty, token.withUnsafeBytes({ $0.characterLength(at: 0) }) == token.count else { return false }
      return !hasAllBytes || token.elementsEqual(SentencePieceText.mark)
    }
  }

  /// Whether text without a piece becomes byte tokens.
  private var spellsEveryByte: Bool {
    guard case .sentencePiece(let rules) = model, rules.byteFallback else { return false }
    return SentencePieceCore.byteTokens(vocabulary) != nil
  }
}

/// What merges alone make of the text of one token, which no pattern cuts.
final class Segmenter {
  private let encoder: Encoder

  private enum Encoder {
    case byteLevel(ByteLevelEncoder)
    case sentencePiece(SentencePieceEncoder)
  }

  init(_ tokenizer: Tokenizer) {
    encoder =
      switch tokenizer.core {
      case .byteLevel(let core): .byteLevel(ByteLevelEncoder(core))
      case .sentencePiece(let core): .sentencePiece(SentencePieceEncoder(core))
      }
  }

  /// The ids that merges make of `text`, spelled as in the vocabulary.
  func pieces(of text: ArraySlice<UInt8>) -> [Int32] {
    var ids: [Int32] = []
    text.withUnsafeBytes { text in
      switch encoder {
      case .byteLevel(let encoder): encoder.merge(text, into: &ids)
      case .sentencePiece(let encoder): encoder.merge(text, into: &ids)
      }
    }
    return ids
  }

  /// The two symbols that became one in the last merge; nil where there was none.
  var lastPair: (left: Int32, right: Int32)? {
    switch encoder {
    case .byteLevel(let encoder): encoder.lastPair
    case .sentencePiece(let encoder): encoder.lastPair
    }
  }
}
