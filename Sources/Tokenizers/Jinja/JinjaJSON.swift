/// The filter `tojson` as transformers defines it: Python's `json.dumps` without escapes of letters.
struct JinjaJSONWriter {
  /// Spaces, or another text, before each level; nil for one line.
  var indent: String?
  var escapesNonASCII = false
  var sortsKeys = false
  var itemSeparator: String
  var keySeparator: String
  private(set) var result = JinjaText()

  init(indent: String?, separators: (String, String)? = nil) {
    self.indent = indent
    (itemSeparator, keySeparator) = separators ?? (indent == nil ? ", " : ",", ": ")
  }

  /// Writes a value.
  ///
  /// - Throws: TPL-5 for what JSON has no form for.
  mutating func write(_ value: JinjaValue, by interpreter: JinjaInterpreter, level: Int = 0) throws(JinjaFailure) {
    try interpreter.spend(1)
    guard result.count <= JinjaLimit.characters else {
      throw JinjaFailure(.limits, "a text has more than \(JinjaLimit.characters) characters")
    }
    switch value {
    case .none: result.append("null")
    case .bool(let value): result.append(value ? "true" : "false")
    case .int(let value): result.append(String(value))
    case .float(let value):
      result.append(value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : JinjaNumber.text(of: value))
    case .text(let text): quote(try interpreter.checked(text))
    case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple:
      try write(sequence.items, by: interpreter, level: level)
    case .mapping(let mapping): try write(mapping, by: interpreter, level: level)
    default: throw JinjaFailure(.values, "Object of type \(value.typeName) is not JSON serializable")
    }
  }

  private mutating func write(_ items: [JinjaValue], by interpreter: JinjaInterpreter, level: Int) throws(JinjaFailure) {
    guard !items.isEmpty else { return result.append("[]") }
    result.append("[")
    for (index, item) in items.enumerated() {
      if index > 0 { result.append(itemSeparator) }
      try breakLine(level + 1, interpreter)
      try write(item, by: interpreter, level: level + 1)
    }
    try breakLine(level, interpreter)
    result.append("]")
  }

  private mutating func write(_ mapping: JinjaMapping, by interpreter: JinjaInterpreter, level: Int) throws(JinjaFailure) {
    guard mapping.count > 0 else { return result.append("{}") }
    var entries = mapping.entries
    if sortsKeys { entries = try interpreter.sorted(entries) { (entry) throws(JinjaFailure) in entry.key } }
    result.append("{")
    for (index, entry) in entries.enumerated() {
      if index > 0 { result.append(itemSeparator) }
      try breakLine(level + 1, interpreter)
      try writeKey(entry.key)
      result.append(keySeparator)
      try write(entry.value, by: interpreter, level: level + 1)
    }
    try breakLine(level, interpreter)
    result.append("}")
  }

  /// Keys of JSON are strings: numbers and the like become those that they are written as.
  private mutating func writeKey(_ key: JinjaValue) throws(JinjaFailure) {
    switch key {
    case .text(let text): quote(text)
    case .none: result.append("\"null\"")
    case .bool(let value): result.append(value ? "\"true\"" : "\"false\"")
    case .int(let value): result.append("\"\(value)\"")
    case .float(let value): result.append("\"\(JinjaNumber.text(of: value))\"")
    default: throw JinjaFailure(.values, "keys must be str, int, float, bool or None, not \(key.typeName)")
    }
  }

  private mutating func breakLine(_ level: Int, _ interpreter: JinjaInterpreter) throws(JinjaFailure) {
    guard let indent else { return }
    try interpreter.spend(length: indent.unicodeScalars.count * level + 1)
    result.append("\n" + String(repeating: indent, count: level))
  }

  private mutating func quote(_ text: JinjaText) {
    result.append("\"")
    for unit in text.units {
      let scalar = JinjaText.scalar(unit)
      switch scalar {
      case "\"": result.append("\\\"", markedAs: unit)
      case "\\": result.append("\\\\", markedAs: unit)
      case "\n": result.append("\\n", markedAs: unit)
      case "\r": result.append("\\r", markedAs: unit)
      case "\t": result.append("\\t", markedAs: unit)
      case "\u{8}": result.append("\\b", markedAs: unit)
      case "\u{C}": result.append("\\f", markedAs: unit)
      case _ where scalar.value < 0x20 || escapesNonASCII && scalar.value > 0x7E:
        for code in Character(scalar).utf16 { result.append(Self.escape(code), markedAs: unit) }
      default: result.append(unit: unit)
      }
    }
    result.append("\"")
  }

  private static func escape(_ code: UInt16) -> String {
    let digits = String(code, radix: 16)
    return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
  }
}

extension JinjaValue {
  /// What JSON brings: strings are marked as the conversation's, but for the roles of speakers that are known.
  ///
  /// - Throws: TPL-1 for too many levels.
  init(json: JSONTree, key: String? = nil) throws(JinjaFailure) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .int(value)
    case .number(let value): self = .float(value)
    case .string(let bytes):
      let text = String(decoding: bytes, as: UTF8.self)
      self = .text(JinjaText(text, isInput: !(key == "role" && Self.roles.contains(text))))
    case .array(let elements):
      var items: [JinjaValue] = []
      for element in elements { items.append(try JinjaValue(json: element)) }
      self = .sequence(try JinjaSequence(.list, items))
    case .object(let members):
      var mapping = try JinjaMapping([])
      for member in members {
        let name = String(decoding: member.key, as: UTF8.self)
        try mapping.set(try JinjaValue(json: member.value, key: name), for: .text(JinjaText(name, isInput: true)))
      }
      self = .mapping(mapping)
    }
  }

  private static let roles: Set<String> = ["system", "user", "assistant", "tool", "developer", "function", "ipython"]
}
