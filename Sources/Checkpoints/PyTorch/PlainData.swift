import Tensors

/// Numbers, texts, dicts and lists of a pickle as JSON: settings beside a state dict.
struct PlainData {
  let table: PickleTable
  /// Values that may still be taken: what is recalled again and again is copied each time.
  private var budget = 10_000

  init(_ table: PickleTable) { self.table = table }

  /// The value as JSON; nil for anything else, for more than eight levels, and for more than 10,000 values in all.
  mutating func json(_ value: PickleValue, depth: Int = 0) -> JSONValue? {
    budget -= 1
    guard budget > 0, depth < 8 else { return nil }
    return switch value {
    case .none: .null
    case .bool(let value): .bool(value)
    case .int(let value): .int(value)
    case .double(let value): .double(value)
    case .text(let text): text.utf8.count <= 65536 ? .string(text) : nil
    case .object: compound(value, depth)
    }
  }

  private mutating func compound(_ value: PickleValue, _ depth: Int) -> JSONValue? {
    if case .dictionary(let pairs) = table[value] {
      var members: [String: JSONValue] = [:]
      for (key, value) in pairs {
        guard budget > 0 else { return nil }
        if case .text(let name) = key { members[name] = json(value, depth: depth + 1) }
      }
      return .object(members)
    }
    guard let items = table.items(value) else { return nil }
    var elements: [JSONValue] = []
    for item in items {
      guard budget > 0 else { return nil }
      if let element = json(item, depth: depth + 1) { elements.append(element) }
    }
    return .array(elements)
  }
}
