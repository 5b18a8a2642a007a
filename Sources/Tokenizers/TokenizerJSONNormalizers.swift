import Tensors

/// Reads the normalizers of a SentencePiece-style tokenizer.json, in order: what changes text, then what marks spaces (TOK-6, TOK-19).
struct TokenizerJSONNormalizers {
  /// The steps that change text.
  private(set) var steps: [TextNormalizer] = []
  /// What the others say of the rules.
  private(set) var rules = SentencePieceRules()
  /// Whether spaces have become "▁".
  private(set) var marksSpaces = false
  private var trimsSpaces = false

  init(_ normalizers: [JSONTree]) throws(LMToolError) {
    rules.prefix = .never
    for normalizer in normalizers { try add(normalizer) }
    guard !trimsSpaces || rules.removesExtraSpaces else { throw .unsupported("normalizer", normalizers.last?.typeName ?? "none") }
    // It comes last anyway.
    if steps.last == .characterMap { steps.removeLast() }
  }

  private var isOpen: Bool { !marksSpaces && !trimsSpaces && rules.prefix == .never }

  private mutating func add(_ normalizer: JSONTree) throws(LMToolError) {
    let content = normalizer["content"]?.text
    switch (normalizer["type"]?.text, normalizer["pattern"]?["String"]?.text, normalizer["pattern"]?["Regex"]?.text) {
    case ("Precompiled", _, _) where isOpen && rules.characterMap.isEmpty: try addMap(normalizer)
    case ("Prepend", _, _) where normalizer["prepend"]?.text == "▁" && !marksSpaces: rules.prefix = .always
    case ("Replace", " ", nil) where content == "▁": marksSpaces = true
    // What `tokenizerJSON` writes for the removal of extra spaces.
    case ("Replace", nil, "\\A +|[ ▁]+\\z") where content == "" && isOpen: trimsSpaces = true
    case ("Replace", nil, " {2,}") where content == " " && trimsSpaces && !marksSpaces: rules.removesExtraSpaces = true
    // T5 and its kin, before Metaspace.
    case ("Replace", nil, " {2,}") where (content == " " || content == "▁") && isOpen: steps.append(.joinSpaces)
    default:
      guard isOpen else { throw .unsupported("normalizer after one that marks spaces", normalizer.typeName) }
      steps += try Self.plain(normalizer)
    }
  }

  private mutating func addMap(_ normalizer: JSONTree) throws(LMToolError) {
    guard let map = normalizer["precompiled_charsmap"]?.bytes.flatMap({ Base64.decode($0) }), !map.isEmpty else {
      throw .tokenizer("a character map is no base 64", rule: 18, at: .key("normalizer"))
    }
    (rules.characterMap, rules.mapsGraphemes) = (map, true)
    steps.append(.characterMap)
  }

  /// The steps of a normalizer that knows nothing of spaces.
  static func plain(_ normalizer: JSONTree) throws(LMToolError) -> [TextNormalizer] {
    switch normalizer["type"]?.text {
    case "NFC": return [.nfc]
    case "NFD": return [.nfd]
    case "NFKC": return [.nfkc]
    case "NFKD": return [.nfkd]
    case "Lowercase": return [.lowercase]
    case "StripAccents": return [.stripAccents]
    case "Nmt": return [.nmt]
    case "Strip":
      return (normalizer["strip_left"]?.bool ?? true ? [.stripLeft] : [])
        + (normalizer["strip_right"]?.bool ?? true ? [.stripRight] : [])
    default: throw .unsupported("normalizer", normalizer.typeName)
    }
  }
}
