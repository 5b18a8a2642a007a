extension JinjaInterpreter {
  /// The methods of texts that a template may call (TPL-4).
  static let textMethods: Set<String> = [
    "upper", "lower", "title", "capitalize", "swapcase", "casefold", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines",
    "startswith", "endswith", "replace", "join", "find", "rfind", "index", "rindex", "count", "removeprefix", "removesuffix",
    "partition", "rpartition", "isalpha", "isdigit", "isnumeric", "isdecimal", "isalnum", "isspace", "isupper", "islower",
    "zfill",
    "ljust", "rjust", "center", "format",
  ]
  /// Those of mappings.
  static let mappingMethods: Set<String> = ["get", "items", "keys", "values", "copy"]
  /// Those of lists.
  static let sequenceMethods: Set<String> = ["index", "count", "copy"]
  /// Those of `loop`.
  static let loopMethods: Set<String> = ["cycle", "changed"]
  /// What would change a list or a mapping, which the sandbox forbids.
  static let changingMethods: Set<String> = [
    "append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update",
  ]

  /// Calls a method of a value.
  func call(method name: String, of value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    switch value {
    case .text(let text):
      try spend(text.count)
      return try call(method: name, of: text, arguments)
    case .mapping(let mapping): return try call(method: name, of: mapping, arguments)
    case .sequence(let sequence): return try call(method: name, of: sequence, arguments)
    case .loop(let loop): return try call(method: name, of: loop, arguments)
    default: throw JinjaFailure(.values, "'\(value.typeName)' object has no method \(name)")
    }
  }

  private func call(
    method name: String, of mapping: JinjaMapping, _ arguments: JinjaCall
  ) throws(JinjaFailure) -> JinjaValue {
    try spend(mapping.count)
    switch name {
    case "get":
      let values = try arguments.bind(name, "key", "default")
      guard let key = values[0] else { throw JinjaFailure(.values, "get expected at least 1 argument") }
      return mapping[try JinjaKey(key)] ?? values[1] ?? .none
    case "keys": return .sequence(try JinjaSequence(.keys, mapping.entries.map(\.key)))
    case "values": return .sequence(try JinjaSequence(.values, mapping.entries.map(\.value)))
    case "items": return .sequence(try JinjaSequence(.items, try pairs(of: mapping)))
    default: return .mapping(mapping)
    }
  }

  /// The entries of a mapping as tuples.
  func pairs(of mapping: JinjaMapping) throws(JinjaFailure) -> [JinjaValue] {
    var pairs: [JinjaValue] = []
    for entry in mapping.entries { pairs.append(.sequence(try JinjaSequence(.tuple, [entry.key, entry.value]))) }
    return pairs
  }

  private func call(
    method name: String, of sequence: JinjaSequence, _ arguments: JinjaCall
  ) throws(JinjaFailure) -> JinjaValue {
    try spend(sequence.items.count)
    if name == "copy" { return .sequence(sequence) }
    guard let wanted = try arguments.bind(name, "value")[0] else { throw JinjaFailure(.values, "\(name) takes one argument") }
    var count = 0
    for (index, item) in sequence.items.enumerated() where try equal(item, wanted) {
      if name == "index" { return .int(index) }
      count += 1
    }
    guard name == "count" else { throw JinjaFailure(.values, "the value is not in the list") }
    return .int(count)
  }

  private func call(method name: String, of loop: JinjaLoop, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaValue {
    if name == "cycle" {
      guard !arguments.positional.isEmpty else { throw JinjaFailure(.values, "no items for cycling given") }
      return arguments.positional[loop.index % arguments.positional.count]
    }
    let current = JinjaValue.sequence(try JinjaSequence(.tuple, arguments.positional))
    if let last = loop.lastChanged, try equal(last, current) { return .bool(false) }
    loop.lastChanged = current
    return .bool(true)
  }
}
