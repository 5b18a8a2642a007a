import Tensors

/// Renumbers the token ids in `config.json` and `generation_config.json`: every member whose name ends in `_token_id` or
/// `_token_ids`, and the lists of tokens that generation suppresses. Members of objects within are renumbered alike.
struct TokenIDRemapping {
  /// The new id of each old one, -1 where it is gone.
  let newIDs: [Int32]

  private static let lists: Set<String> = ["suppress_tokens", "begin_suppress_tokens", "bad_words_ids"]

  /// The ids of `json` that the model cannot do without: those that have a role.
  static func required(by json: JSONValue) -> [Int] {
    (json.object ?? [:]).flatMap { key, value in
      hasRole(key) ? (value.array ?? [value]).compactMap(\.int) : value.object == nil ? [] : required(by: value)
    }
  }

  private static func hasRole(_ key: String) -> Bool { key.hasSuffix("_token_id") || key.hasSuffix("_token_ids") }

  /// The object with new ids. Ids that are gone, or never were in the vocabulary, are left out of lists and become null elsewhere;
  /// negative ones, which mean none, stay.
  func remapped(_ json: JSONValue) -> JSONValue {
    guard let members = json.object else { return json }
    var result = members
    for (key, value) in members {
      if Self.hasRole(key) || Self.lists.contains(key) {
        result[key] = renumbered(value) ?? .null
      } else if value.object != nil {
        result[key] = remapped(value)
      }
    }
    return .object(result)
  }

  /// The value with new ids; nil for an id that is gone, or a list within a list that holds one.
  private func renumbered(_ value: JSONValue) -> JSONValue? {
    if let ids = value.array {
      let isPhrases = ids.contains { $0.array != nil }
      let kept = ids.compactMap { isPhrases ? phrase($0) : renumbered($0) }
      return .array(kept)
    }
    guard let id = value.int, id >= 0 else { return value }
    return id < newIDs.count && newIDs[id] >= 0 ? .int(Int(newIDs[id])) : nil
  }

  /// A sequence of tokens, of which none may be gone.
  private func phrase(_ value: JSONValue) -> JSONValue? {
    let ids = value.array ?? []
    let new = ids.compactMap { renumbered($0) }
    return new.count == ids.count ? .array(new) : nil
  }
}
