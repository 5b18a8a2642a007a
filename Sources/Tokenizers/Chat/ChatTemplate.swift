import Tensors

/// How a conversation is written as one text: a Jinja template, run by an interpreter of our own that can do nothing but
/// write text. `formats/templates.md` has the rules.
public struct ChatTemplate: Sendable {
  /// The name of a built-in template; nil for one that came with a model.
  public let name: String?
  /// The Jinja text.
  public let source: String
  /// The steps after which a run is stopped (TPL-1).
  public var mostSteps = JinjaLimit.steps
  private let statements: [JinjaStatement]
  private let tokens: [(name: String, spelling: String)]
  private let addsBOS: Bool

  /// A template that came with a model.
  ///
  /// - Parameters:
  ///   - jinja: its text.
  ///   - tokenizer: what `bos_token`, `eos_token`, `unk_token` and `pad_token` are in it.
  /// - Throws: `badInput` with the line and the rule that is broken.
  public init(jinja: String, tokenizer: TokenizerDefinition? = nil) throws(LMToolError) {
    try self.init(jinja: jinja, name: nil, tokenizer: tokenizer)
  }

  private init(jinja: String, name: String?, tokenizer: TokenizerDefinition?) throws(LMToolError) {
    self.name = name
    source = jinja
    do throws(JinjaFailure) { statements = try JinjaParser.parse(jinja) } catch { throw error.error }
    tokens = tokenizer?.templateTokens ?? []
    addsBOS = tokenizer?.addsBOS ?? false
  }

  /// The built-in template called `name`, nil when there is none.
  public static func named(_ name: String, tokenizer: TokenizerDefinition? = nil) throws(LMToolError) -> ChatTemplate? {
    guard let jinja = BuiltInTemplate(rawValue: name)?.jinja else { return nil }
    return try ChatTemplate(jinja: jinja, name: name, tokenizer: tokenizer)
  }

  /// The built-in template that a model without one of its own was surely made with, by tokens that no other has; nil
  /// where none is sure.
  public static func recognized(by tokenizer: TokenizerDefinition) throws(LMToolError) -> ChatTemplate? {
    guard let known = BuiltInTemplate.allCases.first(where: { $0.isSure(for: tokenizer) }) else { return nil }
    return try named(known.rawValue, tokenizer: tokenizer)
  }

  /// The names that `named` knows.
  public static var allNames: [String] { BuiltInTemplate.allCases.map(\.rawValue) }

  // MARK: Prompts

  /// The conversation as text: control pieces are the template's own, the others came from the messages and may hold no
  /// special tokens. A beginning-of-text token that `Tokenizer.encode` adds anyway is left out (TPL-8).
  ///
  /// - Parameters:
  ///   - addGenerationPrompt: whether the text ends where the assistant's answer begins.
  ///   - date: what the template is told of the clock.
  /// - Throws: `badInput` when the template refuses the conversation or breaks a rule.
  public func prompt(
    messages: [ChatMessage], addGenerationPrompt: Bool, date: ChatDate = .fixed
  ) throws(LMToolError) -> [PromptPiece] {
    do throws(JinjaFailure) {
      return try pieces(messages, addGenerationPrompt, date)
    } catch {
      // Many templates have no place for a system message; it goes in front of the first question (TPL-9).
      guard error.rule == .refusal, let folded = messages.withSystemInQuestion else { throw error.error }
      return try prompt(folded: folded, addGenerationPrompt, date, otherwise: error)
    }
  }

  private func prompt(
    folded: [ChatMessage], _ addGenerationPrompt: Bool, _ date: ChatDate, otherwise failure: JinjaFailure
  ) throws(LMToolError) -> [PromptPiece] {
    guard let pieces = try? pieces(folded, addGenerationPrompt, date) else { throw failure.error }
    return pieces
  }

  private func pieces(
    _ messages: [ChatMessage], _ addGenerationPrompt: Bool, _ date: ChatDate
  ) throws(JinjaFailure) -> [PromptPiece] {
    let members = messages.map { message in
      JSONTree.object([.init("role", .text(message.role.rawValue)), .init("content", .text(message.content))])
    }
    let variables = [("messages", try JinjaValue(json: .array(members)))]
    return withoutBOS(try run(variables, addGenerationPrompt, date).pieces)
  }

  /// What the template makes of a conversation in JSON, with tools and all, as `apply_chat_template` of transformers would:
  /// nothing is left out.
  ///
  /// - Parameter json: an object with `messages`, and any other variables, such as `tools` and `documents`.
  public func render(json: [UInt8], addGenerationPrompt: Bool, date: ChatDate = .fixed) throws(LMToolError) -> [PromptPiece] {
    let tree = try JSONTree.parse(json)
    do throws(JinjaFailure) {
      var variables: [(String, JinjaValue)] = []
      for member in tree.members ?? [] {
        variables.append((String(decoding: member.key, as: UTF8.self), try JinjaValue(json: member.value)))
      }
      return try run(variables, addGenerationPrompt, date).pieces
    } catch { throw error.error }
  }

  private func run(
    _ variables: [(String, JinjaValue)], _ addGenerationPrompt: Bool, _ date: ChatDate
  ) throws(JinjaFailure) -> JinjaText {
    let standard: [(String, JinjaValue)] = [
      ("tools", .none), ("documents", .none), ("add_generation_prompt", .bool(addGenerationPrompt)),
    ]
    let special = tokens.map { ($0.name, JinjaValue.text($0.spelling)) }
    return try JinjaInterpreter(date: date, mostSteps: mostSteps).run(statements, special + standard + variables)
  }

  private func withoutBOS(_ pieces: [PromptPiece]) -> [PromptPiece] {
    guard addsBOS, let first = pieces.first, first.isControl, let bos = tokens.first(where: { $0.name == "bos_token" })?.spelling,
      first.text.unicodeScalars.starts(with: bos.unicodeScalars)
    else { return pieces }
    let rest = String(first.text.unicodeScalars.dropFirst(bos.unicodeScalars.count))
    return (rest.isEmpty ? [] : [PromptPiece(rest, isControl: true)]) + pieces.dropFirst()
  }

  // MARK: Ends of answers

  /// Text at which an answer ends, where a model does not say so with an end-of-text token: what the template writes after
  /// an answer, whatever follows it.
  public var stopStrings: [String] {
    if let name, let known = BuiltInTemplate(rawValue: name), !known.stopStrings.isEmpty { return known.stopStrings }
    let talk = [ChatMessage(role: .user, content: "A"), ChatMessage(role: .assistant, content: "B")]
    guard let last = textAfterAnswer(talk), let next = textAfterAnswer(talk + [ChatMessage(role: .user, content: "C")]) else {
      return []
    }
    var shared = String(zip(last.unicodeScalars, next.unicodeScalars).prefix { $0 == $1 }.map { Character($0.0) })
    if shared != last, let end = shared.lastIndex(where: { $0 == ">" || $0 == "]" }) { shared = String(shared[...end]) }
    let line = shared.drop { $0.isWhitespace }.prefix { !$0.isNewline }
    return line.isEmpty ? [] : [String(line)]
  }

  /// What stands after the answer "B", up to the next message.
  private func textAfterAnswer(_ messages: [ChatMessage]) -> String? {
    guard let pieces = try? prompt(messages: messages, addGenerationPrompt: false),
      let answer = pieces.lastIndex(where: { !$0.isControl && $0.text == "B" })
    else { return nil }
    return pieces.indices.contains(answer + 1) ? pieces[answer + 1].text : ""
  }
}

extension TokenizerDefinition {
  /// The variables that name special tokens, as transformers gives them to a template.
  fileprivate var templateTokens: [(name: String, spelling: String)] {
    let named = [("bos_token", bos), ("eos_token", eos.first), ("unk_token", unknown), ("pad_token", padding)]
    return named.compactMap { name, id in id.map { (name, vocabulary.text(of: Int($0))) } }
  }

  /// The special or added token that is spelled so, nil where there is none.
  public func specialToken(spelled text: String) -> Int32? {
    added.first { vocabulary[Int($0.id)].elementsEqual(text.utf8) }?.id
  }
}

extension [ChatMessage] {
  /// The conversation with its system message in front of the first question; nil where it does not begin with both.
  fileprivate var withSystemInQuestion: [ChatMessage]? {
    guard count > 1, self[0].role == .system, self[1].role == .user else { return nil }
    return [ChatMessage(role: .user, content: self[0].content + "\n\n" + self[1].content)] + dropFirst(2)
  }
}
