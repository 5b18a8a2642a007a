import Tensors

extension TokenizerDefinition {
  /// Reads a rank file of tiktoken: `*.tiktoken`, or the `tokenizer.model` that Meta ships with Llama 3.
  ///
  /// Such a file has neither pattern nor special tokens; both follow from the number of tokens, where that is one of those that
  /// are known.
  ///
  /// - Throws: `badInput` (TOK-14).
  public static func read(tiktoken path: String) throws(LMToolError) -> TokenizerDefinition {
    let file = try MappedFile(path: path)
    guard file.count <= Limit.vocabularyBytes else { throw .tokenizer("the file is too large", rule: 1, file: path) }
    let bytes = file.withBytes(0..<file.count) { Array($0) }
    do throws(LMToolError) {
      let tokens = try rankedTokens(bytes)
      guard let family = TiktokenFamily(ranks: tokens.tokens.count) else {
        throw .tokenizer("no family with \(tokens.tokens.count) ranks is known, so its pattern is not either", rule: 14)
      }
      return try family.definition(tokens)
    } catch {
      throw error.within(file: path)
    }
  }

  /// Whether a file is a rank file: its first line is a token in base 64, a space and the number 0.
  static func isTiktoken(_ path: String) throws(LMToolError) -> Bool {
    let file = try MappedFile(path: path)
    let start = file.withBytes(0..<min(file.count, 64)) { Array($0) }
    let line = start.prefix { $0 != UInt8(ascii: "\n") }
    return line.count < start.count && line.suffix(2).elementsEqual(" 0".utf8) && Base64.decode(line.dropLast(2)) != nil
  }

  private static func rankedTokens(_ bytes: [UInt8]) throws(LMToolError) -> RankedTokens {
    var tokens = RankedTokens()
    for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
      let parts = line.split(separator: UInt8(ascii: " "))
      guard parts.count == 2, let token = Base64.decode(parts[0]),
        Int(String(decoding: parts[1].filter { $0 != 13 }, as: UTF8.self)) == number
      else { throw .tokenizer("line \(number + 1) is not a token in base 64 and the rank \(number)", rule: 14) }
      try tokens.append(token)
    }
    return tokens
  }
}

/// The tokenizers that are shipped as rank files.
private enum TiktokenFamily: Int {
  case gpt2 = 50_256
  case cl100k = 100_256
  case llama3 = 128_000
  case qwen = 151_643
  case o200k = 199_998

  init?(ranks: Int) { self.init(rawValue: ranks) }

  func definition(_ tokens: RankedTokens) throws(LMToolError) -> TokenizerDefinition {
    var rules = ByteLevelRules()
    rules.ignoresMerges = self == .llama3
    if self != .gpt2 { rules.steps = [.split(.init(pattern: pattern))] }
    let names = special
    var definition = try tokens.definition(rules, first: 0, special: names.map { ($0.id, $0.spelling, true) })
    if self == .qwen { definition.normalizers = [.nfc] }
    definition.eos = ends.compactMap { end in names.first { $0.spelling == end }.map { Int32($0.id) } }
    if self == .llama3 { (definition.bos, definition.addsBOS) = (Int32(rawValue), true) }
    try definition.validate()
    return definition
  }

  private var pattern: String {
    switch self {
    case .gpt2: WordSplitter.gpt2Pattern
    case .cl100k, .llama3: PreTokenizerPattern.llama3
    case .qwen: PreTokenizerPattern.qwen2
    case .o200k: PreTokenizerPattern.gpt4o
    }
  }

  /// The first one ends a text, the others a turn.
  private var ends: [String] {
    switch self {
    case .gpt2, .cl100k, .o200k: ["<|endoftext|>"]
    case .llama3: ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"]
    case .qwen: ["<|endoftext|>", "<|im_end|>"]
    }
  }

  private var special: [(id: Int, spelling: String)] {
    switch self {
    case .gpt2: return [(50_256, "<|endoftext|>")]
    case .cl100k:
      let names = ["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
      return names.enumerated().map { (100_257 + $0.offset, $0.element) } + [(100_276, "<|endofprompt|>")]
    case .o200k: return [(199_999, "<|endoftext|>"), (200_018, "<|endofprompt|>")]
    case .qwen:
      let names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + (0..<205).map { "<|extra_\($0)|>" }
      return names.enumerated().map { (151_643 + $0.offset, $0.element) }
    case .llama3: return Self.llama3Names.enumerated().map { (128_000 + $0.offset, $0.element) }
    }
  }

  /// The 256 special tokens, named as in Llama 3.1.
  private static let llama3Names: [String] = {
    let known = [
      0: "<|begin_of_text|>", 1: "<|end_of_text|>", 4: "<|finetune_right_pad_id|>", 6: "<|start_header_id|>",
      7: "<|end_header_id|>", 8: "<|eom_id|>", 9: "<|eot_id|>", 10: "<|python_tag|>",
    ]
    var reserved = 0
    return (0..<256).map { index in
      if let name = known[index] { return name }
      defer { reserved += 1 }
      return "<|reserved_special_token_\(reserved)|>"
    }
  }()
}
