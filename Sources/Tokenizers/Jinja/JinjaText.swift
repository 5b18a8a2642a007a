/// A text that a template works with: Unicode scalars, each marked if it came from the conversation.
///
/// Marks follow the characters through every operation, so that the output says which of its characters a user wrote
/// (TPL-7). Equality and order do not see them.
struct JinjaText: Sendable {
  /// The scalar values; the highest bit is the mark.
  private(set) var units: [UInt32]
  /// Whether the `safe` filter was applied: such a text escapes what it is joined to, as MarkupSafe's does.
  var isMarkup = false

  private static let mark: UInt32 = 1 << 31

  /// An empty text.
  init() { units = [] }

  /// A text; `isInput` marks its characters as the conversation's.
  init(_ text: String, isInput: Bool = false) {
    let mark = isInput ? Self.mark : 0
    units = text.unicodeScalars.map { $0.value | mark }
  }

  /// A text of `units`, which come from other texts.
  init(units: some Sequence<UInt32>, isMarkup: Bool = false) {
    self.units = Array(units)
    self.isMarkup = isMarkup
  }

  /// The number of characters, that is, of Unicode scalars.
  var count: Int { units.count }
  /// Whether there is nothing.
  var isEmpty: Bool { units.isEmpty }
  /// The text without its marks.
  var string: String { Self.string(units[...]) }

  /// The scalar value of a unit.
  static func value(_ unit: UInt32) -> UInt32 { unit & ~mark }
  /// The scalar of a unit.
  static func scalar(_ unit: UInt32) -> Unicode.Scalar { Unicode.Scalar(value(unit)) ?? "\u{FFFD}" }
  /// The unit of a scalar, with the mark of `unit`.
  static func unit(_ scalar: Unicode.Scalar, markedAs unit: UInt32) -> UInt32 { scalar.value | unit & mark }

  /// The characters of a range.
  subscript(range: Range<Int>) -> JinjaText { JinjaText(units: units[range], isMarkup: isMarkup) }

  /// Adds a text at the end.
  mutating func append(_ other: JinjaText) { units += other.units }

  /// Adds text of the template at the end.
  mutating func append(_ text: String) { units += text.unicodeScalars.lazy.map(\.value) }

  /// Adds one character at the end.
  mutating func append(unit: UInt32) { units.append(unit) }

  /// The two texts, one after the other.
  static func + (left: JinjaText, right: JinjaText) -> JinjaText {
    JinjaText(units: left.units + right.units, isMarkup: left.isMarkup)
  }

  /// The stretches of equal mark: what the template wrote is control, what the conversation brought is not.
  var pieces: [PromptPiece] {
    var pieces: [PromptPiece] = []
    var start = 0
    for index in units.indices where index + 1 == units.count || (units[index] ^ units[index + 1]) & Self.mark != 0 {
      pieces.append(PromptPiece(Self.string(units[start...index]), isControl: units[index] & Self.mark == 0))
      start = index + 1
    }
    return pieces
  }

  private static func string(_ units: ArraySlice<UInt32>) -> String {
    var scalars = String.UnicodeScalarView()
    for unit in units { scalars.append(scalar(unit)) }
    return String(scalars)
  }
}

extension JinjaText: Hashable {
  static func == (left: JinjaText, right: JinjaText) -> Bool {
    left.units.elementsEqual(right.units) { value($0) == value($1) }
  }

  func hash(into hasher: inout Hasher) {
    for unit in units { hasher.combine(Self.value(unit)) }
  }

  /// Whether the text comes before another, by scalar values.
  func precedes(_ other: JinjaText) -> Bool { units.lexicographicallyPrecedes(other.units) { Self.value($0) < Self.value($1) } }
}
