import Tensors

extension TokenizerDefinition {
  /// Reads Mistral's `tekken.json`: ranked tokens in base 64, after the special ones.
  ///
  /// - Throws: `badInput` (TOK-15).
  public static func read(tekken path: String) throws(LMToolError) -> TokenizerDefinition {
    let tree = try JSONTree.read(path: path)
    do throws(LMToolError) {
      return try TekkenFile(tree).definition()
    } catch {
      throw error.within(file: path)
    }
  }
}

private struct TekkenFile {
  private let tree: JSONTree
  private let config: JSONTree

  init(_ tree: JSONTree) throws(LMToolError) {
    self.tree = tree
    guard let config = tree["config"], tree["vocab"]?.array != nil else {
      throw .tokenizer("it has no config or no vocab; this is no tekken.json", rule: 15)
    }
    self.config = config
  }

  func definition() throws(LMToolError) -> TokenizerDefinition {
    guard let size = config["default_vocab_size"]?.id, let reserved = config["default_num_special_tokens"]?.id, reserved >= 0,
      size > reserved, size <= Limit.tokens, let pattern = config["pattern"]?.text
    else { throw .tokenizer("its config lacks a size or the pattern", rule: 15, at: .key("config")) }
    let special = try special(below: Int(reserved))
    var rules = ByteLevelRules()
    rules.steps = [.split(.init(pattern: pattern))]
    rules.ignoresMerges = true
    var definition = try tokens(Int(size - reserved)).definition(rules, first: Int(reserved), special: special)
    func id(_ spelling: String) -> Int32? { special.first { $0.spelling == spelling }.map { Int32($0.id) } }
    definition.bos = id("<s>")
    definition.addsBOS = definition.bos != nil
    definition.eos = id("</s>").map { [$0] } ?? []
    definition.padding = id("<pad>")
    try definition.validate()
    return definition
  }

  private typealias Limit = TokenizerDefinition.Limit

  /// The first `count` tokens: a file may list more than the model has.
  private func tokens(_ count: Int) throws(LMToolError) -> RankedTokens {
    let entries = tree["vocab"]?.array ?? []
    guard entries.count >= count else {
      throw .tokenizer("it has \(entries.count) tokens, but its config says \(count)", rule: 15, at: .key("vocab"))
    }
    var tokens = RankedTokens()
    for (rank, entry) in entries.prefix(count).enumerated() {
      guard entry["rank"]?.id == Int32(rank), let token = entry["token_bytes"]?.bytes.flatMap({ Base64.decode($0) }) else {
        throw .tokenizer("token \(rank) has another rank or no bytes in base 64", rule: 15, at: .key("vocab"))
      }
      try tokens.append(token)
    }
    return tokens
  }

  /// The special tokens: those that the file lists, else those of the first version, and fillers for the ids in between.
  private func special(below count: Int) throws(LMToolError) -> [(id: Int, spelling: String, isControl: Bool)] {
    guard count <= 1 << 16 else { throw .tokenizer("it reserves \(count) special tokens", rule: 1, at: .key("config")) }
    var names: [Int: String] = [:]
    for entry in tree["special_tokens"]?.array ?? [] {
      guard let id = entry["rank"]?.id, id >= 0, id < count, let name = entry["token_str"]?.text, !name.isEmpty,
        names.updateValue(name, forKey: Int(id)) == nil
      else { throw .tokenizer("a special token has no rank of its own or no name", rule: 15, at: .key("special_tokens")) }
    }
    if names.isEmpty { for (id, name) in Self.firstNames.enumerated() where id < count { names[id] = name } }
    return (0..<count).map { ($0, names[$0] ?? "<SPECIAL_\($0)>", true) }
  }

  /// What files without a list of their own mean.
  private static let firstNames = [
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
    "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
  ]
}
