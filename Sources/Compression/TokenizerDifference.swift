import Models
import Tensors
import Tokenizers

/// Finds what differs in the tokenizers and chat templates of two models.
enum TokenizerDifference {
  private typealias Difference = ComparisonReport.Difference

  /// What differs, by parts: of each the first thing.
  static func find(_ first: ModelSource, _ second: ModelSource) -> [ComparisonReport.Difference] {
    var found: [Difference?] = []
    if let one = first.tokenizer, let other = second.tokenizer {
      found = [
        vocabularies(one.vocabulary, other.vocabulary), pairs(one, other), added(one, other), specials(one, other),
        rules(one, other),
      ]
    } else if first.tokenizer != nil || second.tokenizer != nil {
      found = [Difference(name: "tokenizer", first: presence(first), second: presence(second))]
    }
    if first.endTokens != second.endTokens {
      found.append(Difference(name: "end tokens", first: text(first.endTokens), second: text(second.endTokens)))
    }
    return found.compactMap { $0 }
  }

  /// Where two chat templates begin to differ; nil when they do not.
  static func templates(_ first: String?, _ second: String?) -> String? {
    guard first != second else { return nil }
    guard let first else { return "only the second model has one" }
    guard let second else { return "only the first model has one" }
    let same = zip(first.unicodeScalars, second.unicodeScalars).prefix { $0 == $1 }.count
    func rest(_ text: String) -> String { String(String(text.unicodeScalars.dropFirst(same).prefix(40))).printable }
    return "from character \(same) on: \"\(rest(first))\" and \"\(rest(second))\""
  }

  private static func presence(_ source: ModelSource) -> String {
    if let tokenizer = source.tokenizer { return "\(tokenizer.vocabularySize) tokens" }
    return source.tokenizerProblem?.message ?? "none"
  }

  private static func vocabularies(_ first: Vocabulary, _ second: Vocabulary) -> Difference? {
    for id in 0..<min(first.count, second.count) where first[id] != second[id] {
      return Difference(
        name: "token \(id)", first: "\"\(first.text(of: id).printable)\"", second: "\"\(second.text(of: id).printable)\"")
    }
    guard first.count != second.count else { return nil }
    return Difference(name: "vocabulary", first: "\(first.count) tokens", second: "\(second.count) tokens")
  }

  /// Merges or scores; where one has these and the other those, the merges that scores mean.
  private static func pairs(_ first: TokenizerDefinition, _ second: TokenizerDefinition) -> Difference? {
    guard first.scores.isEmpty != second.scores.isEmpty, !first.merges.isEmpty || !second.merges.isEmpty else {
      return merges(first, second) ?? scores(first.scores, second.scores)
    }
    var (one, other) = (first, second)
    one.merges = (try? first.rankedMerges()) ?? []
    other.merges = (try? second.rankedMerges()) ?? []
    return merges(one, other)
  }

  private static func merges(_ first: TokenizerDefinition, _ second: TokenizerDefinition) -> Difference? {
    func text(_ merge: Merge, _ vocabulary: Vocabulary) -> String {
      func token(_ id: Int32) -> String {
        let index = Int(id)
        return 0..<vocabulary.count ~= index ? "\"\(vocabulary.text(of: index).printable)\"" : "\(id)"
      }
      return token(merge.left) + " + " + token(merge.right)
    }
    for (index, (one, other)) in zip(first.merges, second.merges).enumerated() where one != other {
      return Difference(name: "merge \(index)", first: text(one, first.vocabulary), second: text(other, second.vocabulary))
    }
    guard first.merges.count != second.merges.count else { return nil }
    return Difference(name: "merges", first: "\(first.merges.count)", second: "\(second.merges.count)")
  }

  private static func scores(_ first: [Float], _ second: [Float]) -> Difference? {
    for (id, (one, other)) in zip(first, second).enumerated() where one != other {
      return Difference(name: "score of token \(id)", first: "\(one)", second: "\(other)")
    }
    return first.count == second.count ? nil : Difference(name: "scores", first: "\(first.count)", second: "\(second.count)")
  }

  private static func added(_ first: TokenizerDefinition, _ second: TokenizerDefinition) -> Difference? {
    let one = Dictionary(first.added.map { ($0.id, $0) }) { $1 }, other = Dictionary(second.added.map { ($0.id, $0) }) { $1 }
    let differing = Set(one.keys).union(other.keys).sorted().filter { one[$0] != other[$0] }
    guard let id = differing.first else { return nil }
    return Difference(name: "added token \(id)", first: text(one[id]), second: text(other[id]))
  }

  private static func text(_ token: AddedToken?) -> String {
    guard let token else { return "none" }
    let flags = [
      (token.isSpecial, "special"), (token.stripsLeft, "strips left"), (token.stripsRight, "strips right"),
      (token.isSingleWord, "single word"), (token.matching == .normalized, "normalized"), (token.matching == .piece, "piece"),
    ]
    return (["added"] + flags.filter(\.0).map(\.1)).joined(separator: ", ")
  }

  private static func specials(_ first: TokenizerDefinition, _ second: TokenizerDefinition) -> Difference? {
    func text(_ definition: TokenizerDefinition) -> String {
      let ids = [("bos", definition.bos), ("unknown", definition.unknown), ("padding", definition.padding)]
      let named = ids.compactMap { name, id in id.map { "\(name) \($0)" } }
      let adds = [(definition.addsBOS, "adds bos"), (definition.addsEOS, "adds eos")].filter(\.0).map(\.1)
      return (named + adds).joined(separator: ", ")
    }
    let (one, other) = (text(first), text(second))
    return one == other ? nil : Difference(name: "special tokens", first: one, second: other)
  }

  private static func rules(_ first: TokenizerDefinition, _ second: TokenizerDefinition) -> Difference? {
    switch (first.model, second.model) {
    case (.byteLevel(let one), .byteLevel(let other)):
      return one == other ? nil : member(one, other)
    case (.sentencePiece(let one), .sentencePiece(let other)):
      return one == other ? nil : member(one, other)
    case (.byteLevel, .sentencePiece): return Difference(name: "kind", first: "bytes", second: "SentencePiece")
    case (.sentencePiece, .byteLevel): return Difference(name: "kind", first: "SentencePiece", second: "bytes")
    }
  }

  /// The first member of rules that differs.
  private static func member<Rules>(_ first: Rules, _ second: Rules) -> Difference? {
    for (one, other) in zip(Mirror(reflecting: first).children, Mirror(reflecting: second).children) {
      let (a, b) = (String(describing: one.value), String(describing: other.value))
      if a != b { return Difference(name: one.label ?? "rules", first: a.printable, second: b.printable) }
    }
    return Difference(name: "rules", first: "of one kind", second: "of another")
  }

  private static func text(_ ids: Set<Int32>) -> String {
    ids.isEmpty ? "none" : ids.sorted().map(String.init).joined(separator: ", ")
  }
}
