import Tensors

/// A token that a file beside a tokenizer adds.
struct NamedToken {
  var id: Int32
  var spelling: [UInt8]
  var isSpecial: Bool
  var stripsLeft = false
  var stripsRight = false
  var isSingleWord = false
  var isNormalized: Bool
}

extension NamedToken {
  /// The tokens of `added_tokens.json`, which maps spellings to ids; those are special that `special` names.
  static func read(map: JSONTree, special: Set<[UInt8]>) throws(LMToolError) -> [NamedToken] {
    var tokens: [NamedToken] = []
    for member in map.members ?? [] {
      guard let id = member.value.id else { throw .tokenizer("an added token has no id", rule: 16) }
      let isSpecial = special.contains(member.key)
      tokens.append(NamedToken(id: id, spelling: member.key, isSpecial: isSpecial, isNormalized: !isSpecial))
    }
    return tokens
  }

  /// The tokens of `added_tokens_decoder` of `tokenizer_config.json`, which maps ids to tokens with their flags.
  static func read(decoder: JSONTree) throws(LMToolError) -> [NamedToken] {
    var tokens: [NamedToken] = []
    for member in decoder.members ?? [] {
      guard let id = Int32(String(decoding: member.key, as: UTF8.self)), let spelling = member.value["content"]?.bytes else {
        throw .tokenizer("an added token has no id or no content", rule: 16, at: .key("added_tokens_decoder"))
      }
      func flag(_ name: String) -> Bool { member.value[name]?.bool ?? false }
      tokens.append(
        NamedToken(
          id: id, spelling: spelling, isSpecial: flag("special"), stripsLeft: flag("lstrip"), stripsRight: flag("rstrip"),
          isSingleWord: flag("single_word"), isNormalized: flag("normalized")))
    }
    return tokens
  }
}

extension TokenizerDefinition {
  /// Adds tokens that a file beside the tokenizer names (TOK-16): new ones after those that are there, gaps as unused tokens; one
  /// that is there already is matched as a whole from now on.
  mutating func add(_ tokens: [NamedToken]) throws(LMToolError) {
    var places: [Int32: Int] = [:]
    for (index, token) in added.enumerated() { places[token.id] = index }
    for token in tokens.sorted(by: { $0.id < $1.id }) {
      guard token.id >= 0, token.id < vocabularySize + 1 << 16, token.id < Limit.tokens, !token.spelling.isEmpty else {
        throw .tokenizer("the id \(token.id) of an added token is out of range, or the token is empty", rule: 2)
      }
      try place(token)
      let entry = AddedToken(
        id: token.id, isSpecial: token.isSpecial, stripsLeft: token.stripsLeft, stripsRight: token.stripsRight,
        isSingleWord: token.isSingleWord, matching: token.isNormalized ? .normalized : .raw)
      if let index = places[token.id] {
        if added[index].matching != .piece { added[index] = entry }
      } else {
        places[token.id] = added.count
        added.append(entry)
      }
    }
  }

  /// Makes sure that a token is in the vocabulary under its id.
  private mutating func place(_ token: NamedToken) throws(LMToolError) {
    let id = Int(token.id)
    while vocabularySize < id {
      vocabulary.append([], type: .unused)
      if !scores.isEmpty { scores.append(0) }
    }
    if id == vocabularySize {
      vocabulary.append(token.spelling, type: token.isSpecial ? .control : .userDefined)
      if !scores.isEmpty { scores.append(0) }
      return
    }
    guard spelling(of: id) == token.spelling || Array(vocabulary[id]) == token.spelling else {
      throw .tokenizer(
        "the added token \(String(decoding: token.spelling, as: UTF8.self).printable) has the id \(id) of another", rule: 2)
    }
    if vocabulary.type(of: id) == .normal, spelling(of: id) == Array(vocabulary[id]) {
      vocabulary.setType(token.isSpecial ? .control : .userDefined, of: id)
    }
  }
}
