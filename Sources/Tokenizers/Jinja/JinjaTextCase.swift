extension JinjaText {
  /// The text in upper case.
  var uppercased: JinjaText { mapped { $0.properties.uppercaseMapping } }

  /// The text in lower case; a capital sigma at the end of a word is the final one.
  var lowercased: JinjaText {
    var result = JinjaText()
    for (index, unit) in units.enumerated() {
      let isSigma = Self.value(unit) == 0x3A3
      result.append(isSigma ? (isFinalSigma(index) ? "ς" : "σ") : Self.scalar(unit).properties.lowercaseMapping, markedAs: unit)
    }
    result.isMarkup = isMarkup
    return result
  }

  /// The first character as in a title, the others in lower case.
  var capitalized: JinjaText {
    guard let first = units.first else { return self }
    var result = JinjaText()
    result.append(Self.scalar(first).properties.titlecaseMapping, markedAs: first)
    result.append(self[0..<count].lowercased.droppingFirst(of: self))
    result.isMarkup = isMarkup
    return result
  }

  /// Each word's first letter as in a title: Python's `str.title`, for which a word is a run of letters with case.
  var titled: JinjaText {
    var result = JinjaText()
    var isInWord = false
    let lower = self.lowercased
    for (index, unit) in units.enumerated() {
      let properties = Self.scalar(unit).properties
      if !isInWord {
        result.append(properties.titlecaseMapping, markedAs: unit)
      } else if lower.count == count {
        result.append(unit: lower.units[index])
      } else {
        result.append(properties.lowercaseMapping, markedAs: unit)
      }
      isInWord = properties.isCased
    }
    result.isMarkup = isMarkup
    return result
  }

  /// Upper case becomes lower case and the other way round.
  var swappedCase: JinjaText {
    mapped { $0.properties.isUppercase ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping }
  }

  /// Whether there is a letter with case, and all such letters are upper (else lower) case.
  func isAll(uppercase: Bool) -> Bool {
    let cased = units.map { Self.scalar($0).properties }.filter(\.isCased)
    return !cased.isEmpty && cased.allSatisfy { uppercase ? $0.isUppercase : $0.isLowercase }
  }

  /// Whether there are characters, and all of them satisfy `isMember`.
  func isAll(_ isMember: (Unicode.Scalar.Properties) -> Bool) -> Bool {
    !isEmpty && units.allSatisfy { isMember(Self.scalar($0).properties) }
  }

  private func mapped(_ change: (Unicode.Scalar) -> String) -> JinjaText {
    var result = JinjaText()
    for unit in units { result.append(change(Self.scalar(unit)), markedAs: unit) }
    result.isMarkup = isMarkup
    return result
  }

  /// Adds a text with the mark of `unit`.
  mutating func append(_ text: String, markedAs unit: UInt32) {
    for scalar in text.unicodeScalars { append(unit: Self.unit(scalar, markedAs: unit)) }
  }

  /// The lower-case text without what the first character of `original` became.
  private func droppingFirst(of original: JinjaText) -> JinjaText {
    guard let first = original.units.first else { return self }
    let length = Self.scalar(first).properties.lowercaseMapping.unicodeScalars.count
    return self[min(length, count)..<count]
  }

  /// Unicode's rule: a letter with case before it, none after it, ignoring what is ignorable.
  private func isFinalSigma(_ index: Int) -> Bool {
    func properties(_ index: Int) -> Unicode.Scalar.Properties { Self.scalar(units[index]).properties }
    guard let before = units[..<index].indices.last(where: { !properties($0).isCaseIgnorable }), properties(before).isCased
    else { return false }
    guard let after = units[(index + 1)...].indices.first(where: { !properties($0).isCaseIgnorable }) else { return true }
    return !properties(after).isCased
  }
}
