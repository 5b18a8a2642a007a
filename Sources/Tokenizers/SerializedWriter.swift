import Tensors

extension TokenizerDefinition {
  /// The definition as bytes, as rule TOK-12 of `formats/tokenizers.md` specifies them: the same definition gives the
  /// same bytes, and `init(serialized:)` gives back an equal definition.
  ///
  /// - Precondition: `validate` accepts the definition.
  public func serialized() -> [UInt8] {
    var output = ColumnWriter()
    output.bytes += SerializedForm.magic
    output.append(SerializedForm.version)
    output.append([addsBOS, addsEOS, hasListedNormalizers])
    output.append(UInt32(vocabularySize))
    for id in [bos, unknown, padding] { output.append(id) }
    output.append(UInt32(eos.count))
    for id in eos { output.append(id) }
    if hasListedNormalizers { output.bytes += [UInt8(normalizers.count)] + normalizers.map(\.rawValue) }
    writeRules(to: &output)
    output.append(UInt32(added.count))
    for token in added { write(token, to: &output) }
    writeTokens(to: &output)
    writeScores(to: &output)
    return output.bytes
  }

  /// Whether the normalizers are more than what a flag of the byte-level rules says.
  private var hasListedNormalizers: Bool {
    if case .byteLevel = model, normalizers == [.nfc] { return false }
    return !normalizers.isEmpty
  }

  private func writeRules(to output: inout ColumnWriter) {
    switch model {
    case .byteLevel(let rules):
      output.append(UInt8(0))
      output.append([normalizers == [.nfc], rules.addsPrefixSpace, rules.ignoresMerges, rules.emitsUnknown])
      output.append(UInt8(rules.steps.count))
      for step in rules.steps { write(step, to: &output) }
    case .sentencePiece(let rules):
      output.append(UInt8(1))
      output.append([
        rules.removesExtraSpaces, rules.splitsWords, rules.byteFallback, rules.fusesUnknown, rules.ignoresMerges,
        rules.stripsPrefix, rules.isUnigram, !rules.characterMap.isEmpty,
      ])
      output.append(rules.prefix.rawValue)
      guard !rules.characterMap.isEmpty else { return }
      output.append([rules.mapsGraphemes])
      output.append(UInt32(rules.characterMap.count))
      output.bytes += rules.characterMap
    }
  }

  private func write(_ step: PreTokenizerStep, to output: inout ColumnWriter) {
    switch step {
    case .gpt2: output.append(UInt8(0))
    case .digits(let individual): output.bytes += [1, individual ? 1 : 0]
    case .punctuation(let behavior): output.bytes += [2, behavior.rawValue]
    case .split(let split):
      output.append(UInt8(3))
      output.append([split.isRegex, split.inverts])
      output.append(split.behavior.rawValue)
      output.append(UInt32(split.pattern.utf8.count))
      output.bytes += split.pattern.utf8
    }
  }

  private func write(_ token: AddedToken, to output: inout ColumnWriter) {
    output.append(token.id)
    output.append([token.isSpecial, token.stripsLeft, token.stripsRight, token.isSingleWord])
    output.append(token.matching.rawValue)
  }

  private func writeTokens(to output: inout ColumnWriter) {
    let ids = 0..<vocabularySize
    let width = SerializedForm.width(vocabularySize)
    output.append(column: ids.map { UInt32(vocabulary.type(of: $0).rawValue) }, width: 1)
    output.append(UInt32(merges.count))
    output.append(column: merges.map { UInt32($0.left) }, width: width)
    output.append(column: merges.map { UInt32($0.right) }, width: width)
    var previous: Int32 = -1
    let steps = merges.map { merge in
      defer { previous = merge.result }
      return UInt32(bitPattern: merge.result &- previous &- 1)
    }
    output.append(column: steps, width: width)
    let isDerived = derivedTokens()
    let literals = ids.filter { !isDerived[$0] }
    output.append(column: literals.map { UInt32(vocabulary[$0].count) }, width: 2)
    for id in literals { output.bytes += vocabulary[id] }
  }

  /// Which tokens the first merge that makes them can spell, because both parts are known by then.
  private func derivedTokens() -> [Bool] {
    var isMade = [Bool](repeating: false, count: vocabularySize)
    for merge in merges { isMade[Int(merge.result)] = true }
    var isKnown = isMade.map { !$0 }
    var isDerived = [Bool](repeating: false, count: vocabularySize)
    for merge in merges where !isKnown[Int(merge.result)] {
      isDerived[Int(merge.result)] = isKnown[Int(merge.left)] && isKnown[Int(merge.right)]
      isKnown[Int(merge.result)] = true
    }
    return isDerived
  }

  private func writeScores(to output: inout ColumnWriter) {
    guard !scores.isEmpty else { return output.append(UInt8(0)) }
    guard scores.allSatisfy(isSmallInteger) else {
      output.append(UInt8(1))
      return output.append(column: scores.map(\.bitPattern), width: 4)
    }
    output.append(UInt8(2))
    var previous: Int32 = 1
    output.append(
      column: scores.map { score in
        defer { previous = Int32(score) }
        return UInt32(bitPattern: Int32(score) &- previous &+ 1)
      }, width: 4)
  }
}

/// Whether a score is an integer that a difference column can hold; -0 is not.
private func isSmallInteger(_ score: Float) -> Bool {
  guard let integer = Int32(exactly: score) else { return false }
  return abs(integer) < 1 << 24 && (integer != 0 || score.sign == .plus)
}

/// What writing and reading the serialized form share.
enum SerializedForm {
  static let magic = Array("LTOK".utf8)
  static let version: UInt16 = 1

  /// Bytes of an id in a column.
  static func width(_ vocabularySize: Int) -> Int { vocabularySize <= 1 << 16 ? 2 : 4 }
}
