import Tensors

extension TokenizerDefinition {
  /// A Hugging Face `tokenizer.json` with which `tokenizers` makes the same ids of text.
  public func tokenizerJSON() throws(LMToolError) -> [UInt8] {
    try validate()
    var parts: [JSONTree.Member] = [
      .init("version", .text("1.0")), .init("truncation", .null), .init("padding", .null),
      .init("added_tokens", .array(added.sorted { $0.id < $1.id }.map { addedTokenJSON($0) })),
    ]
    switch model {
    case .byteLevel(let rules): parts += TokenizerJSONParts.byteLevel(rules, normalizers)
    case .sentencePiece(let rules):
      parts += TokenizerJSONParts.sentencePiece(rules, normalizers, metaspace: metaspace(rules))
    }
    parts.append(.init("post_processor", templateJSON()))
    parts.append(.init("model", try modelJSON()))
    return JSONTree.object(parts).serialized()
  }

  /// Where "▁" comes in front, in the words of the pre-tokenizer Metaspace; nil where normalizers do.
  ///
  /// Normalizers put it in front of every stretch between added tokens; where pieces are matched inside the text, only the pre-tokenizer
  /// leaves it at the first one. It takes no stretch for the first before which spaces were dropped.
  private func metaspace(_ rules: SentencePieceRules) -> String? {
    let hasPieces = added.contains { $0.matching == .piece }
    switch rules.prefix {
    case .never: return rules.isUnigram || rules.splitsWords ? "never" : nil
    case .unlessSpace: return "always"
    case .firstUnlessSpace: return "first"
    case .always:
      if hasPieces { return "first" }
      return rules.isUnigram || rules.splitsWords ? "always" : nil
    }
  }

  private func addedTokenJSON(_ token: AddedToken) -> JSONTree {
    let bytes = Array(vocabulary[Int(token.id)])
    return .object([
      .init("id", .number(Double(token.id))),
      .init("content", .string(token.matching == .piece ? SentencePieceText.unescape(bytes) : bytes)),
      .init("single_word", .bool(token.isSingleWord)), .init("lstrip", .bool(token.stripsLeft)),
      .init("rstrip", .bool(token.stripsRight)), .init("normalized", .bool(token.matching == .normalized && !token.isSpecial)),
      .init("special", .bool(token.isSpecial)),
    ])
  }

  private func templateJSON() -> JSONTree {
    let start = addsBOS ? bos.map { [Int($0)] } ?? [] : []
    let end = addsEOS ? eos.first.map { [Int($0)] } ?? [] : []
    guard !(start + end).isEmpty else { return .null }
    func template(_ names: [String]) -> JSONTree {
      .array(
        names.enumerated().flatMap { type, name in
          let typeID = JSONTree.Member("type_id", .number(Double(type)))
          func special(_ id: Int) -> JSONTree {
            .object([.init("SpecialToken", .object([.init("id", .string(spelling(of: id))), typeID]))])
          }
          return start.map(special) + [.object([.init("Sequence", .object([.init("id", .text(name)), typeID]))])]
            + end.map(special)
        })
    }
    let tokens = Set(start + end).sorted().map { id in
      JSONTree.Member(
        key: spelling(of: id),
        value: .object([
          .init("id", .string(spelling(of: id))), .init("ids", .array([.number(Double(id))])),
          .init("tokens", .array([.string(spelling(of: id))])),
        ]))
    }
    return .object([
      .init("type", .text("TemplateProcessing")), .init("single", template(["A"])), .init("pair", template(["A", "B"])),
      .init("special_tokens", .object(tokens)),
    ])
  }

  private func modelJSON() throws(LMToolError) -> JSONTree {
    if case .sentencePiece(let rules) = model, rules.isUnigram { return unigramJSON(rules) }
    var (fusesUnknown, byteFallback, ignoresMerges, hasUnknown) = (false, false, false, unknown != nil)
    switch model {
    case .byteLevel(let rules): (ignoresMerges, hasUnknown) = (rules.ignoresMerges, rules.emitsUnknown && hasUnknown)
    case .sentencePiece(let rules):
      (fusesUnknown, byteFallback, ignoresMerges) = (rules.fusesUnknown, rules.byteFallback, rules.ignoresMerges)
    }
    let words = (0..<vocabularySize).filter { !vocabulary[$0].isEmpty }
    let pairs = try rankedMerges().map { merge in
      JSONTree.array([.string(spelling(of: Int(merge.left))), .string(spelling(of: Int(merge.right)))])
    }
    return .object([
      .init("type", .text("BPE")), .init("dropout", .null),
      .init("unk_token", hasUnknown ? unknown.map { .string(spelling(of: Int($0))) } ?? .null : .null),
      .init("continuing_subword_prefix", .null), .init("end_of_word_suffix", .null), .init("fuse_unk", .bool(fusesUnknown)),
      .init("byte_fallback", .bool(byteFallback)), .init("ignore_merges", .bool(ignoresMerges)),
      .init("vocab", .object(words.map { .init(key: spelling(of: $0), value: .number(Double($0))) })),
      .init("merges", .array(pairs)),
    ])
  }

  private func unigramJSON(_ rules: SentencePieceRules) -> JSONTree {
    let pieces = (0..<vocabularySize).map { id in
      JSONTree.array([.string(spelling(of: id)), .number(Double(scores[id]))])
    }
    return .object([
      .init("type", .text("Unigram")), .init("unk_id", unknown.map { .integer(Int($0)) } ?? .null),
      .init("vocab", .array(pieces)),
      .init("byte_fallback", .bool(rules.byteFallback)),
    ])
  }

  /// The merges in order of rank, from the scores where those decide.
  ///
  /// - Throws: `badInput` when two tokens are spelled alike.
  public func rankedMerges() throws(LMToolError) -> [Merge] {
    if scores.isEmpty { return merges }
    var scored = ScoredMerges(self, try TokenLookup(vocabulary, types: [.normal, .userDefined]))
    scored.collect()
    return scored.ranked()
  }
}

/// The parts of a tokenizer.json that say how text becomes symbols.
private enum TokenizerJSONParts {
  static func byteLevel(_ rules: ByteLevelRules, _ normalizers: [TextNormalizer]) -> [JSONTree.Member] {
    let endsWithGPT2 = rules.steps.last == .gpt2
    let steps = (endsWithGPT2 ? rules.steps.dropLast() : rules.steps[...]).map(step)
    let last = byteLevel(addsPrefixSpace: rules.addsPrefixSpace, usesRegex: endsWithGPT2)
    return [
      .init("normalizer", sequence(normalizers.map { json($0) })),
      .init("pre_tokenizer", steps.isEmpty ? last : .typed("Sequence", [.init("pretokenizers", .array(steps + [last]))])),
      .init("decoder", byteLevel(addsPrefixSpace: true, usesRegex: true)),
    ]
  }

  private static func byteLevel(addsPrefixSpace: Bool, usesRegex: Bool) -> JSONTree {
    .typed(
      "ByteLevel",
      [
        .init("add_prefix_space", .bool(addsPrefixSpace)), .init("trim_offsets", .bool(true)),
        .init("use_regex", .bool(usesRegex)),
      ])
  }

  private static func step(_ step: PreTokenizerStep) -> JSONTree {
    switch step {
    case .gpt2: split(.init(pattern: WordSplitter.gpt2Pattern))
    case .digits(let individual): .typed("Digits", [.init("individual_digits", .bool(individual))])
    case .punctuation(let behavior): .typed("Punctuation", [.init("behavior", .text(behavior.name))])
    case .split(let split): self.split(split)
    }
  }

  private static func split(_ split: PreTokenizerStep.Split) -> JSONTree {
    .typed(
      "Split",
      [
        .init("pattern", .object([.init(split.isRegex ? "Regex" : "String", .text(split.pattern))])),
        .init("behavior", .text(split.behavior.name)), .init("invert", .bool(split.inverts)),
      ])
  }

  static func sentencePiece(
    _ rules: SentencePieceRules, _ normalizers: [TextNormalizer], metaspace scheme: String?
  ) -> [JSONTree.Member] {
    let hasMap = !rules.characterMap.isEmpty && !normalizers.contains(.characterMap)
    var normalizers = (normalizers + (hasMap ? [.characterMap] : [])).map { step in
      step == .characterMap
        ? .typed("Precompiled", [.init("precompiled_charsmap", .string(Base64.encode(rules.characterMap)))]) : json(step)
    }
    if rules.removesExtraSpaces {
      normalizers += [replace("Regex", "\\A +|[ ▁]+\\z", ""), replace("Regex", " {2,}", " ")]
    }
    if scheme == nil {
      if rules.prefix == .always { normalizers.append(.typed("Prepend", [.init("prepend", .text("▁"))])) }
      normalizers.append(replace("String", " ", "▁"))
    }
    return [
      .init("normalizer", sequence(normalizers)),
      .init("pre_tokenizer", scheme.map { metaspace(rules, scheme: $0) } ?? .null), .init("decoder", decoder(rules)),
    ]
  }

  private static func sequence(_ normalizers: [JSONTree]) -> JSONTree {
    if normalizers.count < 2 { return normalizers.first ?? .null }
    return .typed("Sequence", [.init("normalizers", .array(normalizers))])
  }

  private static func json(_ normalizer: TextNormalizer) -> JSONTree {
    func strip(left: Bool) -> JSONTree {
      .typed("Strip", [.init("strip_left", .bool(left)), .init("strip_right", .bool(!left))])
    }
    return switch normalizer {
    case .nfc: .typed("NFC", [])
    case .nfd: .typed("NFD", [])
    case .nfkc: .typed("NFKC", [])
    case .nfkd: .typed("NFKD", [])
    case .lowercase: .typed("Lowercase", [])
    case .stripAccents: .typed("StripAccents", [])
    case .stripLeft: strip(left: true)
    case .stripRight: strip(left: false)
    case .nmt: .typed("Nmt", [])
    case .joinSpaces: replace("Regex", " {2,}", " ")
    case .characterMap: .null
    }
  }

  private static func metaspace(_ rules: SentencePieceRules, scheme: String) -> JSONTree {
    .typed(
      "Metaspace",
      [.init("replacement", .text("▁")), .init("prepend_scheme", .text(scheme)), .init("split", .bool(rules.splitsWords))])
  }

  private static func decoder(_ rules: SentencePieceRules) -> JSONTree {
    var steps = [replace("String", "▁", " "), .typed("ByteFallback", []), .typed("Fuse", [])]
    if rules.stripsPrefix {
      steps.append(.typed("Strip", [.init("content", .text(" ")), .init("start", .number(1)), .init("stop", .number(0))]))
    }
    return .typed("Sequence", [.init("decoders", .array(steps))])
  }

  private static func replace(_ kind: String, _ pattern: String, _ content: String) -> JSONTree {
    .typed("Replace", [.init("pattern", .object([.init(kind, .text(pattern))])), .init("content", .text(content))])
  }
}
