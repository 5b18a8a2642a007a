import Tensors

/// Reads normalizer, pre-tokenizer and decoder of a tokenizer.json.
struct TokenizerJSONRules {
  private let normalizers: [JSONTree]
  private let preTokenizers: [JSONTree]
  private let decoders: [JSONTree]

  init(_ tree: JSONTree) {
    normalizers = Self.flatten(tree["normalizer"], "normalizers")
    preTokenizers = Self.flatten(tree["pre_tokenizer"], "pretokenizers")
    decoders = Self.flatten(tree["decoder"], "decoders")
  }

  /// The steps of a part: itself, or those of the sequence that it is.
  private static func flatten(_ part: JSONTree?, _ key: String, depth: Int = 0) -> [JSONTree] {
    guard let part else { return [] }
    guard depth < 8, part["type"]?.text == "Sequence", let steps = part[key]?.array else { return [part] }
    return steps.flatMap { flatten($0, key, depth: depth + 1) }
  }

  /// The rules, by what the parts are made of, and what changes text first.
  func model(_ model: JSONTree) throws(LMToolError) -> (rules: TokenizerDefinition.Model, normalizers: [TextNormalizer]) {
    if preTokenizers.contains(where: { $0["type"]?.text == "ByteLevel" }) {
      let steps = try normalizers.map { (step) throws(LMToolError) in try TokenizerJSONNormalizers.plain(step) }
      return (.byteLevel(try byteLevel(model)), steps.flatMap { $0 })
    }
    let text = try TokenizerJSONNormalizers(normalizers)
    return (.sentencePiece(try sentencePiece(model, text)), text.steps)
  }

  // MARK: Byte-level

  private func byteLevel(_ model: JSONTree) throws(LMToolError) -> ByteLevelRules {
    var rules = ByteLevelRules()
    rules.steps = []
    for (index, step) in preTokenizers.enumerated() {
      if step["type"]?.text == "ByteLevel" {
        // After it, text is spelled in GPT-2's alphabet, and patterns see something else.
        guard index == preTokenizers.count - 1 else {
          throw .unsupported("pre_tokenizer after ByteLevel", preTokenizers[index + 1].typeName)
        }
        rules.addsPrefixSpace = step["add_prefix_space"]?.bool ?? true
        if step["use_regex"]?.bool ?? true { rules.steps.append(.gpt2) }
      } else {
        rules.steps.append(try Self.step(step))
      }
    }
    for decoder in decoders where decoder["type"]?.text != "ByteLevel" { throw .unsupported("decoder", decoder.typeName) }
    rules.ignoresMerges = model["ignore_merges"]?.bool ?? false
    rules.emitsUnknown = model["unk_token"] != nil
    return rules
  }

  private static func step(_ step: JSONTree) throws(LMToolError) -> PreTokenizerStep {
    switch step["type"]?.text {
    case "Digits": return .digits(individual: step["individual_digits"]?.bool ?? false)
    case "Punctuation": return .punctuation(try behavior(step["behavior"] ?? .string(Array("Isolated".utf8))))
    case "Split":
      let isRegex = step["pattern"]?["Regex"] != nil
      guard let pattern = step["pattern"]?["Regex"]?.text ?? step["pattern"]?["String"]?.text else {
        throw .tokenizer("a Split has no pattern", rule: 6, at: .key("pre_tokenizer"))
      }
      return .split(
        .init(
          pattern: pattern, isRegex: isRegex, behavior: try behavior(step["behavior"]), inverts: step["invert"]?.bool ?? false))
    default: throw .unsupported("pre_tokenizer", step.typeName)
    }
  }

  private static func behavior(_ name: JSONTree?) throws(LMToolError) -> SplitBehavior {
    guard let behavior = SplitBehavior.allCases.first(where: { $0.name == name?.text }) else {
      throw .unsupported("pre_tokenizer behavior", name?.text ?? "none")
    }
    return behavior
  }

  // MARK: SentencePiece

  private func sentencePiece(
    _ model: JSONTree, _ text: TokenizerJSONNormalizers
  ) throws(LMToolError) -> SentencePieceRules {
    var (rules, marksSpaces) = (text.rules, text.marksSpaces)
    for step in preTokenizers { try apply(preTokenizer: step, to: &rules, &marksSpaces) }
    guard marksSpaces else {
      throw .unsupported("pre_tokenizer", preTokenizers.first?.typeName ?? "none")
    }
    rules.byteFallback = model["byte_fallback"]?.bool ?? false
    rules.fusesUnknown = model["fuse_unk"]?.bool ?? false
    rules.ignoresMerges = model["ignore_merges"]?.bool ?? false
    rules.stripsPrefix = try stripsPrefix()
    return rules
  }

  private func apply(
    preTokenizer step: JSONTree, to rules: inout SentencePieceRules, _ marksSpaces: inout Bool
  ) throws(LMToolError) {
    switch step["type"]?.text {
    case "Metaspace" where step["replacement"]?.text == "▁":
      marksSpaces = true
      rules.splitsWords = step["split"]?.bool ?? true
      switch step["prepend_scheme"]?.text ?? (step["add_prefix_space"]?.bool ?? true ? "always" : "never") {
      case "always": rules.prefix = .unlessSpace
      case "first": rules.prefix = .firstUnlessSpace
      case "never": break
      case let scheme: throw .unsupported("pre_tokenizer.prepend_scheme", scheme)
      }
    // Gemma splits at spaces that its normalizer has replaced: nothing happens.
    case "Split" where marksSpaces && step["pattern"]?["String"]?.text == " ": break
    default: throw .unsupported("pre_tokenizer", step.typeName)
    }
  }

  /// Whether the decoder drops one space at the start.
  private func stripsPrefix() throws(LMToolError) -> Bool {
    var strips = false
    for decoder in decoders {
      switch decoder["type"]?.text {
      case "Replace" where decoder["pattern"]?["String"]?.text == "▁" && decoder["content"]?.text == " ": break
      case "ByteFallback", "Fuse": break
      case "Strip" where decoder["content"]?.text == " " && decoder["start"]?.id ?? 0 <= 1: strips = decoder["start"]?.id == 1
      case "Metaspace": strips = decoder["prepend_scheme"]?.text != "never" && decoder["add_prefix_space"]?.bool ?? true
      default: throw .unsupported("decoder", decoder.typeName)
      }
    }
    return strips
  }
}

extension JSONTree {
  /// The type of a part, with its pattern where it has one, for errors.
  var typeName: String {
    let pattern = self["pattern"]?["Regex"]?.text ?? self["pattern"]?["String"]?.text
    return (self["type"]?.text ?? "unknown") + (pattern.map { " (\($0))" } ?? "")
  }
}
