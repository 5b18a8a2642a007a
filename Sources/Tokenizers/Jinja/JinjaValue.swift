import OrderedCollections

/// A value of a running template, as Python has it. Nothing but a namespace ever changes.
enum JinjaValue {
  /// What is not there; the text says what was looked for.
  case undefined(String)
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case text(JinjaText)
  case sequence(JinjaSequence)
  case mapping(JinjaMapping)
  /// What filters such as `map` give: it can be gone through once.
  case iterator(JinjaIterator)
  case namespace(JinjaNamespace)
  case loop(JinjaLoop)
  case callable(JinjaCallable)

  /// A text of the template.
  static func text(_ string: String) -> JinjaValue { .text(JinjaText(string)) }

  /// Whether it counts as true.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .float(let value): value != 0
    case .text(let text): !text.isEmpty
    case .sequence(let sequence): !sequence.items.isEmpty
    case .mapping(let mapping): mapping.count > 0
    case .iterator, .namespace, .callable: true
    case .loop(let loop): !loop.items.isEmpty
    }
  }

  /// Whether it is undefined.
  var isUndefined: Bool { if case .undefined = self { true } else { false } }

  /// The number as an integer, truth values too; nil for what is none.
  var integer: Int? {
    switch self {
    case .int(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  /// The number; nil for what is none.
  var number: Double? { if case .float(let value) = self { value } else { integer.map(Double.init) } }

  /// The text, if it is one.
  var asText: JinjaText? { if case .text(let text) = self { text } else { nil } }

  /// How many lists and mappings are inside one another.
  var depth: Int {
    switch self {
    case .sequence(let sequence): sequence.depth
    case .mapping(let mapping): mapping.depth
    default: 0
    }
  }

  /// Python's name of the type.
  var typeName: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "NoneType"
    case .bool: "bool"
    case .int: "int"
    case .float: "float"
    case .text: "str"
    case .sequence(let sequence): sequence.kind.rawValue
    case .mapping: "dict"
    case .iterator: "generator"
    case .namespace: "Namespace"
    case .loop: "LoopContext"
    case .callable: "function"
    }
  }
}

/// Elements in order.
struct JinjaSequence {
  /// What kind of sequence, by Python's name.
  enum Kind: String {
    case list, tuple, range
    case keys = "dict_keys"
    case values = "dict_values"
    case items = "dict_items"

    /// Whether it has elements by number; the views of a mapping have none.
    var isIndexed: Bool {
      switch self {
      case .list, .tuple, .range: true
      case .keys, .values, .items: false
      }
    }
  }

  let kind: Kind
  let items: [JinjaValue]
  let depth: Int

  /// - Throws: TPL-4 for an element that is no data, TPL-1 for too many levels.
  init(_ kind: Kind = .list, _ items: [JinjaValue]) throws(JinjaFailure) {
    self.kind = kind
    self.items = try JinjaMapping.data(items)
    depth = 1 + (self.items.map(\.depth).max() ?? 0)
    guard depth <= JinjaLimit.valueDepth else { throw JinjaFailure(.limits, "lists are nested too deep") }
  }

  /// A text's characters, or another part of what is a sequence already.
  init(_ kind: Kind = .list, part items: [JinjaValue], depth: Int) {
    (self.kind, self.items, self.depth) = (kind, items, depth)
  }
}

/// Keys and values in the order in which the keys came.
struct JinjaMapping {
  /// A key as it was written, and its value: 1 and True are the same key.
  struct Entry {
    var key: JinjaValue
    var value: JinjaValue
  }

  private var table: OrderedDictionary<JinjaKey, Entry> = [:]
  private(set) var depth = 1

  /// How many keys there are.
  var count: Int { table.count }
  /// All keys and values.
  var entries: [Entry] { table.values.elements }

  /// - Throws: TPL-4 for a value that is no data, TPL-5 for a key that Python cannot hash, TPL-1 for too many levels.
  init(_ pairs: [(key: JinjaValue, value: JinjaValue)]) throws(JinjaFailure) {
    for (key, value) in pairs { try set(value, for: key) }
  }

  mutating func set(_ value: JinjaValue, for key: JinjaValue) throws(JinjaFailure) {
    let value = try Self.data([value])[0]
    let hashed = try JinjaKey(key)
    table[hashed] = Entry(key: table[hashed]?.key ?? key, value: value)
    depth = max(depth, 1 + max(value.depth, key.depth))
    guard depth <= JinjaLimit.valueDepth else { throw JinjaFailure(.limits, "mappings are nested too deep") }
  }

  /// The value of a key of the template.
  subscript(key: String) -> JinjaValue? { self[.text(JinjaText(key))] }
  /// The value of a key.
  subscript(key: JinjaKey) -> JinjaValue? { table[key]?.value }

  /// Values that may be stored: anything but namespaces, loops and functions. So nothing that is stored can hold itself,
  /// and no chain of references grows without bound.
  static func data(_ values: [JinjaValue]) throws(JinjaFailure) -> [JinjaValue] {
    var result: [JinjaValue] = []
    result.reserveCapacity(values.count)
    for value in values {
      switch value {
      case .namespace, .loop, .callable:
        throw JinjaFailure(.sandbox, "a \(value.typeName) cannot be stored in a list, a mapping or a namespace")
      case .iterator(let iterator): result.append(.sequence(try JinjaSequence(.list, iterator.take())))
      default: result.append(value)
      }
    }
    return result
  }
}

/// What Python can hash, equal where Python's values are.
enum JinjaKey: Hashable {
  case undefined, none
  case int(Int)
  case float(Double)
  case text(JinjaText)
  case tuple([JinjaKey])

  init(_ value: JinjaValue) throws(JinjaFailure) {
    switch value {
    case .undefined: self = .undefined
    case .none: self = .none
    case .bool, .int: self = .int(value.integer ?? 0)
    case .float(let value): self = Int(exactly: value).map { .int($0) } ?? .float(value)
    case .text(let text): self = .text(text)
    case .sequence(let sequence) where sequence.kind == .tuple:
      var keys: [JinjaKey] = []
      for item in sequence.items { keys.append(try JinjaKey(item)) }
      self = .tuple(keys)
    default: throw JinjaFailure(.values, "unhashable type: '\(value.typeName)'")
    }
  }
}

/// Elements that can be gone through once.
final class JinjaIterator {
  private var items: [JinjaValue]

  init(_ items: [JinjaValue]) { self.items = items }

  /// All elements that are left; none are left then.
  func take() -> [JinjaValue] {
    defer { items = [] }
    return items
  }

  /// The next element.
  func next() -> JinjaValue? { items.isEmpty ? nil : items.removeFirst() }
}

/// What `namespace()` makes: attributes that a template may set from inside a loop.
final class JinjaNamespace {
  private(set) var attributes: JinjaMapping

  init(_ attributes: JinjaMapping) { self.attributes = attributes }

  func set(_ name: String, _ value: JinjaValue) throws(JinjaFailure) {
    guard !name.hasPrefix("_") else { throw JinjaFailure(.sandbox, "the attribute \(name) of a namespace is private") }
    try attributes.set(value, for: .text(name))
  }
}

/// The variable `loop` of a `for`.
final class JinjaLoop {
  let items: [JinjaValue]
  var index = 0
  /// What `loop.changed` saw last.
  var lastChanged: JinjaValue?

  init(_ items: [JinjaValue]) { self.items = items }

  /// An attribute such as `first`; nil where there is none of that name.
  func attribute(_ name: String) -> JinjaValue? {
    switch name {
    case "index": .int(index + 1)
    case "index0": .int(index)
    case "revindex": .int(items.count - index)
    case "revindex0": .int(items.count - index - 1)
    case "first": .bool(index == 0)
    case "last": .bool(index == items.count - 1)
    case "length": .int(items.count)
    case "previtem": index > 0 ? items[index - 1] : .undefined("there is no previous item")
    case "nextitem": index + 1 < items.count ? items[index + 1] : .undefined("there is no next item")
    case "depth": .int(1)
    case "depth0": .int(0)
    default: nil
    }
  }
}

/// What can be called.
indirect enum JinjaCallable {
  /// A function that every template has.
  case global(String)
  /// A macro, or the `caller` of a call block.
  case macro(JinjaMacro)
  /// A method of a value.
  case method(of: JinjaValue, String)
}

/// A macro with the scope that it was written in.
struct JinjaMacro {
  var syntax: JinjaStatement.Macro
  /// Weak, for the scope holds the macro.
  weak var scope: JinjaScope?
}

/// Variables of a stretch of a template, and those around it.
final class JinjaScope {
  private var variables: [String: JinjaValue] = [:]
  private let outer: JinjaScope?

  init(in outer: JinjaScope? = nil) { self.outer = outer }

  /// The nearest variable of a name.
  func find(_ name: String) -> JinjaValue? {
    var scope: JinjaScope? = self
    while let current = scope {
      if let value = current.variables[name] { return value }
      scope = current.outer
    }
    return nil
  }

  /// Sets a variable here, whatever there is of its name outside.
  func set(_ name: String, _ value: JinjaValue) { variables[name] = value }
}
