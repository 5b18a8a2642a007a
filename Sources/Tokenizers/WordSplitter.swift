import Tensors

/// The steps of a byte-level tokenizer, compiled.
struct WordSplitter: Sendable {
  let steps: [Step]
  /// Whether the last step is ByteLevel's own pattern.
  let endsWithGPT2: Bool

  /// A step: where it matches, and what becomes of matches.
  struct Step: Sendable {
    var pattern: Pattern
    var behavior: SplitBehavior
    var inverts: Bool
  }

  /// GPT-2's pattern, as `tokenizers` has it.
  static let gpt2Pattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  init(_ steps: [PreTokenizerStep]) throws(LMToolError) {
    guard steps.count <= TokenizerDefinition.Limit.steps else {
      throw .tokenizer("its pre-tokenizer has more than \(TokenizerDefinition.Limit.steps) steps", rule: 8)
    }
    var compiled: [Step] = []
    for step in steps { compiled.append(try Self.compile(step)) }
    self.steps = compiled
    endsWithGPT2 = steps.last == .gpt2
  }

  private static func compile(_ step: PreTokenizerStep) throws(LMToolError) -> Step {
    switch step {
    case .gpt2: Step(pattern: try Pattern(gpt2Pattern), behavior: .isolated, inverts: false)
    case .digits(let individual):
      Step(pattern: try Pattern(individual ? #"\p{N}"# : #"\p{N}+"#), behavior: .isolated, inverts: false)
    case .punctuation(let behavior):
      Step(pattern: try Pattern(#"[\p{P}$+<=>^`|~]"#), behavior: behavior, inverts: false)
    case .split(let split):
      Step(
        pattern: try Pattern(split.isRegex ? split.pattern : quoted(split.pattern)), behavior: split.behavior,
        inverts: split.inverts)
    }
  }

  /// A pattern that matches `text` and nothing else.
  private static func quoted(_ text: String) -> String {
    var pattern = ""
    for scalar in text.unicodeScalars {
      if scalar.isASCII, !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar) {
        pattern += "\\x{\(String(scalar.value, radix: 16))}"
      } else {
        pattern.unicodeScalars.append(scalar)
      }
    }
    return pattern
  }
}

/// Cuts one text after the other into words, for one thread.
struct WordCutter {
  private let steps: [(step: WordSplitter.Step, matcher: Pattern.Matcher)]
  private let endsWithGPT2: Bool

  init(_ splitter: WordSplitter) {
    steps = splitter.steps.map { ($0, Pattern.Matcher($0.pattern)) }
    endsWithGPT2 = splitter.endsWithGPT2
  }

  /// Calls `body` with each word of `text`, in order; together the words are the text, less what steps remove.
  ///
  /// - Parameter prefixing: whether what reaches the last step gets a space in front unless it starts with one.
  func forEachWord(of text: UnsafeRawBufferPointer, prefixing: Bool, _ body: (UnsafeRawBufferPointer) -> Void) {
    guard prefixing else { return cut(text, 0..<steps.count, body) }
    let last = steps.count - (endsWithGPT2 ? 1 : 0)
    cut(text, 0..<last) { piece in
      if piece.first == UInt8(ascii: " ") { return cut(piece, last..<steps.count, body) }
      ([UInt8(ascii: " ")] + piece).withUnsafeBytes { cut($0, last..<steps.count, body) }
    }
  }

  private func cut(
    _ text: UnsafeRawBufferPointer, _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    guard !text.isEmpty else { return }
    guard let index = range.first else { return body(text) }
    var pieces = PieceMerger(behavior: steps[index].step.behavior)
    forEachSpan(of: text, steps[index].matcher) { span, isMatch in
      pieces.add(span, isMatch: isMatch != steps[index].step.inverts) {
        cut(UnsafeRawBufferPointer(rebasing: text[$0]), (index + 1)..<range.upperBound, body)
      }
    }
    pieces.finish { cut(UnsafeRawBufferPointer(rebasing: text[$0]), (index + 1)..<range.upperBound, body) }
  }

  /// Calls `body` with the matches and what lies between them; an empty match cuts without a word of its own.
  private func forEachSpan(
    of text: UnsafeRawBufferPointer, _ matcher: Pattern.Matcher, _ body: (Range<Int>, _ isMatch: Bool) -> Void
  ) {
    var done = 0
    var start = 0
    while start <= text.count, let match = matcher.match(in: text, from: start) {
      if match.lowerBound > done { body(done..<match.lowerBound, false) }
      if !match.isEmpty { body(match, true) }
      done = match.upperBound
      start = match.isEmpty ? done + (done < text.count ? text.characterLength(at: done) : 1) : done
    }
    if done < text.count { body(done..<text.count, false) }
  }
}

/// Joins matches with their neighbours as the behaviour of a step wants.
private struct PieceMerger {
  let behavior: SplitBehavior
  private var pending: Range<Int>?
  private var pendingIsMatch = false

  init(behavior: SplitBehavior) { self.behavior = behavior }

  mutating func add(_ range: Range<Int>, isMatch: Bool, _ emit: (Range<Int>) -> Void) {
    if behavior == .isolated { return emit(range) }
    if behavior == .removed { return isMatch ? () : emit(range) }
    if let pending, joins(isMatch) {
      self.pending = pending.lowerBound..<range.upperBound
    } else {
      finish(emit)
      pending = range
    }
    pendingIsMatch = isMatch
  }

  /// Whether a span goes with the one before it.
  private func joins(_ isMatch: Bool) -> Bool {
    switch behavior {
    case .isolated, .removed: false
    case .mergedWithPrevious: isMatch && !pendingIsMatch
    case .mergedWithNext: !isMatch && pendingIsMatch
    case .contiguous: isMatch == pendingIsMatch
    }
  }

  mutating func finish(_ emit: (Range<Int>) -> Void) {
    if let pending { emit(pending) }
    pending = nil
  }
}
