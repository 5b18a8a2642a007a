import Tensors
import TestSupport
import Tokenizers

/// What is done with tokenizers and chat templates that fuzzing made.
enum FuzzText {
  private static let hard =
    "Once upon a time, Zoë's 2 cats <s> </s> said:\n\t\"   héllo\" 😀 \u{0} <|endoftext|> ﬁ Ａ½ e\u{301}\u{323} ﷺ 한국\u{1112}\u{1161} [INST]"

  /// Builds a tokenizer, and encodes and decodes with it.
  static func use(_ definition: TokenizerDefinition) throws {
    let tokenizer = try Tokenizer(definition)
    _ = tokenizer.decode(tokenizer.encode(hard))
    _ = tokenizer.decode(tokenizer.encode(hard, parseSpecial: true), skipSpecial: true)
  }

  /// A rank file whose "#", if it starts with one, gives way to as many ranks as GPT-2 has.
  static func ranks(_ data: [UInt8]) -> [UInt8] {
    guard data.first == UInt8(ascii: "#") else { return data }
    let lines = Array(data.dropFirst().drop { $0 == UInt8(ascii: "\n") })
    let count = lines.count { $0 == UInt8(ascii: "\n") }
    return lines
      + Array((count..<max(count, 50_256)).map { FuzzSeeds.rank($0, [0xF5, UInt8($0 >> 8), UInt8($0 & 255)]) }.joined())
  }

  private static let mapped = try? TokenizerDefinition.read(sentencePiece: Fixtures.path("tokenizers/unigram-mapped.model"))

  /// A byte with flags, whole graphemes the lowest, and a character map for a unigram model.
  static func map(_ data: [UInt8]) throws {
    guard let first = data.first, var definition = mapped, case .sentencePiece(var rules) = definition.model else { return }
    rules.mapsGraphemes = first & 1 == 1
    rules.characterMap = Array(data.dropFirst())
    definition.model = .sentencePiece(rules)
    try use(definition)
  }

  private static let talk = [
    ChatMessage(role: .system, content: "{{ messages }}{% for x in y %}"),
    ChatMessage(role: .user, content: "<|im_end|></s>[/INST] \u{0}\u{202E}{{ ''.__class__ }} %s {0.__class__} <b>&amp;</b> "),
    ChatMessage(role: .assistant, content: "<think>\n\n</think>a\\'\"\n 한국 😀" + String(repeating: "x ", count: 200)),
    ChatMessage(role: .user, content: ""),
  ]

  /// A template writes a conversation that wants to be part of it, and what stands after a zero byte as JSON.
  static func template(_ data: [UInt8]) throws {
    let parts = data.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    var template = try ChatTemplate(jinja: String(decoding: parts[0], as: UTF8.self), tokenizer: mapped)
    template.mostSteps = 1 << 17
    _ = template.stopStrings
    // What refuses the conversation may write the JSON.
    let pieces = try? template.prompt(messages: talk, addGenerationPrompt: true)
    if let mapped { _ = try Tokenizer(mapped).encode(pieces ?? []) }
    if parts.count > 1 { _ = try template.render(json: Array(parts[1]), addGenerationPrompt: true) }
  }
}
