extension JinjaText {
  /// Where `needle` first occurs at or after `start`; linear in the lengths of both (Knuth, Morris and Pratt).
  func firstIndex(of needle: JinjaText, from start: Int = 0) -> Int? { Finder(needle).next(in: self, from: start) }

  /// Where `needle` occurs, from the left, without overlaps, at most `limit` times.
  func occurrences(of needle: JinjaText, limit: Int = .max) -> [Int] {
    let finder = Finder(needle)
    var found: [Int] = []
    var start = 0
    while found.count < limit, let index = finder.next(in: self, from: start) {
      found.append(index)
      start = index + max(needle.count, 1)
    }
    return found
  }

  /// Where `needle` last occurs.
  func lastIndex(of needle: JinjaText) -> Int? {
    let backwards = JinjaText(units: units.reversed())
    guard let index = backwards.firstIndex(of: JinjaText(units: needle.units.reversed())) else { return nil }
    return count - index - needle.count
  }

  /// Whether the text begins with `other`.
  func hasPrefix(_ other: JinjaText) -> Bool { count >= other.count && self[0..<other.count] == other }

  /// Whether the text ends with `other`.
  func hasSuffix(_ other: JinjaText) -> Bool { count >= other.count && self[(count - other.count)..<count] == other }

  /// The text without `characters` at its ends; white space where they are nil.
  func stripped(_ characters: JinjaText?, left: Bool = true, right: Bool = true) -> JinjaText {
    let set = characters.map { Set($0.units.map(Self.value)) }
    func goes(_ unit: UInt32) -> Bool { set?.contains(Self.value(unit)) ?? Self.isSpace(unit) }
    var start = 0
    var end = count
    while left, start < end, goes(units[start]) { start += 1 }
    while right, start < end, goes(units[end - 1]) { end -= 1 }
    return self[start..<end]
  }

  /// Whether a unit is white space, as Python's `str.isspace` sees it.
  static func isSpace(_ unit: UInt32) -> Bool {
    (0x1C...0x1F).contains(value(unit)) || scalar(unit).properties.isWhitespace
  }

  /// The stretches between white space.
  func words(limit: Int = .max) -> [JinjaText] {
    var words: [JinjaText] = []
    var start = 0
    while true {
      while start < count, Self.isSpace(units[start]) { start += 1 }
      guard start < count else { return words }
      guard words.count < limit else { return words + [self[start..<count]] }
      let end = units[start...].firstIndex(where: Self.isSpace) ?? count
      words.append(self[start..<end])
      start = end
    }
  }

  /// The stretches between white space, at most `limit` cut off from the right.
  func wordsFromRight(limit: Int) -> [JinjaText] {
    let backwards = JinjaText(units: units.reversed(), isMarkup: isMarkup).words(limit: limit)
    return backwards.reversed().map { JinjaText(units: $0.units.reversed(), isMarkup: isMarkup) }
  }

  /// The stretches between the occurrences at `indices` of something `length` long.
  func split(at indices: [Int], length: Int) -> [JinjaText] {
    let starts = [0] + indices.map { $0 + length }
    return zip(starts, indices + [count]).map { self[$0..<$1] }
  }

  /// The lines, by Python's line ends.
  func lines(keepingEnds: Bool) -> [JinjaText] {
    var lines: [JinjaText] = []
    var start = 0
    var index = 0
    while index < count {
      let value = Self.value(units[index])
      guard Self.endsLine(value) else {
        index += 1
        continue
      }
      let isPair = value == 13 && index + 1 < count && Self.value(units[index + 1]) == 10
      let next = index + (isPair ? 2 : 1)
      lines.append(self[start..<(keepingEnds ? next : index)])
      (start, index) = (next, next)
    }
    return start < count ? lines + [self[start..<count]] : lines
  }

  private static func endsLine(_ value: UInt32) -> Bool {
    switch value {
    case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// Searches for one text.
  private struct Finder {
    private let needle: [UInt32]
    /// For each prefix of the needle, the length of the longest shorter prefix that ends it.
    private var borders: [Int]

    init(_ text: JinjaText) {
      needle = text.units.map(JinjaText.value)
      borders = [Int](repeating: 0, count: needle.count + 1)
      var border = 0
      for index in needle.indices.dropFirst() {
        while border > 0, needle[border] != needle[index] { border = borders[border] }
        if needle[border] == needle[index] { border += 1 }
        borders[index + 1] = border
      }
    }

    func next(in text: JinjaText, from start: Int) -> Int? {
      guard start >= 0, start + needle.count <= text.count else { return nil }
      if needle.isEmpty { return start }
      var matched = 0
      for index in start..<text.count {
        let value = JinjaText.value(text.units[index])
        while matched > 0, needle[matched] != value { matched = borders[matched] }
        if needle[matched] == value { matched += 1 }
        if matched == needle.count { return index + 1 - matched }
      }
      return nil
    }
  }
}
