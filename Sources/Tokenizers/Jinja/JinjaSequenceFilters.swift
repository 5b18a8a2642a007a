extension JinjaInterpreter {
  /// Applies a filter that works on elements.
  func apply(
    sequenceFilter name: String, to value: JinjaValue, _ arguments: JinjaCall
  ) throws(JinjaFailure) -> JinjaValue {
    switch name {
    case "list": return .sequence(try JinjaSequence(.list, try items(of: value)))
    case "first": return try first(of: value)
    case "last":
      let items = try items(of: value)
      return items.last ?? .undefined("No last item, sequence was empty.")
    case "items":
      if value.isUndefined { return .iterator(JinjaIterator([])) }
      guard case .mapping(let mapping) = value else { throw JinjaFailure(.values, "Can only get item pairs from a mapping.") }
      return .iterator(JinjaIterator(try pairs(of: mapping)))
    case "join": return .text(try join(value, arguments))
    case "reverse":
      if let text = value.asText { return .text(JinjaText(units: text.units.reversed())) }
      return .iterator(JinjaIterator(try items(of: value).reversed()))
    case "map": return .iterator(JinjaIterator(try mapped(value, arguments)))
    case "select", "reject", "selectattr", "rejectattr": return .iterator(JinjaIterator(try selected(name, value, arguments)))
    case "unique", "sort", "min", "max", "dictsort", "groupby", "sum": return try apply(ordering: name, to: value, arguments)
    case "batch", "slice": return .iterator(JinjaIterator(try cut(name, value, arguments)))
    default: throw JinjaFailure(.names, "No filter named '\(name)'.")
    }
  }

  private func first(of value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
    if case .iterator(let iterator) = value { return iterator.next() ?? .undefined("No first item, sequence was empty.") }
    return try items(of: value).first ?? .undefined("No first item, sequence was empty.")
  }

  private func join(_ value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> JinjaText {
    let values = try arguments.bind("join", "d", "attribute")
    let separator = try values[0].map { (value) throws(JinjaFailure) in try text(of: value) } ?? JinjaText()
    var result = JinjaText()
    for (index, item) in try items(of: value).enumerated() {
      if index > 0 { result.append(separator) }
      result.append(try text(of: try values[1].map { (path) throws(JinjaFailure) in try attribute(path, of: item) } ?? item))
      try spend(separator.count)
      guard result.count <= JinjaLimit.characters else {
        throw JinjaFailure(.limits, "a text has more than \(JinjaLimit.characters) characters")
      }
    }
    return try checked(result)
  }

  // MARK: Choosing

  /// The part of an element that a path such as `function.name` or an index leads to.
  private func attribute(_ path: JinjaValue, of item: JinjaValue) throws(JinjaFailure) -> JinjaValue {
    guard let text = path.asText else { return try self.item(path, of: item) }
    var value = item
    for part in text.split(at: text.occurrences(of: JinjaText(".")), length: 1) {
      let isIndex = !part.isEmpty && part.string.unicodeScalars.allSatisfy(\.isDigit)
      value = try self.item(isIndex ? .int(Int(part.string) ?? .max) : .text(part), of: value)
    }
    return value
  }

  private func mapped(_ value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> [JinjaValue] {
    guard value.isTrue else { return [] }
    var result: [JinjaValue] = []
    let items = try items(of: value)
    if arguments.positional.isEmpty {
      let values = try arguments.bind("map", "attribute", "default")
      guard let path = values[0] else { throw JinjaFailure(.values, "map requires a filter argument") }
      for item in items {
        let found = try attribute(path, of: item)
        result.append(found.isUndefined ? values[1] ?? found : found)
      }
      return result
    }
    let name = try needed(arguments.positional[0], "map").string
    let rest = JinjaCall(positional: Array(arguments.positional.dropFirst()), named: arguments.named)
    for item in items { result.append(try nested { () throws(JinjaFailure) in try apply(name, to: item, rest) }) }
    return result
  }

  private func selected(_ name: String, _ value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> [JinjaValue] {
    guard value.isTrue else { return [] }
    let byAttribute = name.hasSuffix("attr")
    let keeps = name.hasPrefix("select")
    guard !byAttribute || !arguments.positional.isEmpty else {
      throw JinjaFailure(.values, "Missing parameter for attribute name")
    }
    let rest = Array(arguments.positional.dropFirst(byAttribute ? 1 : 0))
    var result: [JinjaValue] = []
    for item in try items(of: value) {
      let judged = byAttribute ? try attribute(arguments.positional[0], of: item) : item
      let holds: Bool
      if let testName = rest.first {
        holds = try test(try needed(testName, name).string, judged, Array(rest.dropFirst()))
      } else {
        holds = judged.isTrue
      }
      if holds == keeps { result.append(item) }
    }
    return result
  }

  private func cut(_ name: String, _ value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> [JinjaValue] {
    let values = try arguments.bind(name, name == "batch" ? "linecount" : "slices", "fill_with")
    guard let count = values[0]?.integer, (1...JinjaLimit.range).contains(count) else {
      throw JinjaFailure(.values, "\(name) needs a number")
    }
    let items = try items(of: value)
    var filling: JinjaValue?
    if let given = values[1], case .none = given { filling = nil } else { filling = values[1] }
    var parts: [JinjaValue] = []
    func add(_ range: Range<Int>, fill: Int) throws(JinjaFailure) {
      try spend(range.count + fill)
      let extra = filling.map { [JinjaValue](repeating: $0, count: fill) } ?? []
      parts.append(.sequence(try JinjaSequence(.list, items[range] + extra)))
    }
    if name == "batch" {
      for start in stride(from: 0, to: items.count, by: count) {
        let end = min(start + count, items.count)
        try add(start..<end, fill: start + count - end)
      }
      return parts
    }
    var start = 0
    for index in 0..<count {
      let end = start + items.count / count + (index < items.count % count ? 1 : 0)
      try add(start..<end, fill: index >= items.count % count ? 1 : 0)
      start = end
    }
    return parts
  }

  // MARK: Order

  private func apply(
    ordering name: String, to value: JinjaValue, _ arguments: JinjaCall
  ) throws(JinjaFailure) -> JinjaValue {
    switch name {
    case "sum":
      let values = try arguments.bind(name, "attribute", "start")
      var total = values[1] ?? .int(0)
      for item in try items(of: value) {
        total = try combine(
          .add, total, try values[0].map { (path) throws(JinjaFailure) in try attribute(path, of: item) } ?? item)
      }
      return total
    case "dictsort": return .sequence(try JinjaSequence(.list, try dictionarySorted(value, arguments)))
    case "sort":
      let values = try arguments.bind(name, "reverse", "case_sensitive", "attribute")
      let sorted = try sorted(try items(of: value), backwards: values[0]?.isTrue ?? false) { (item) throws(JinjaFailure) in
        try key(of: item, values[2], values[1])
      }
      return .sequence(try JinjaSequence(.list, sorted))
    case "groupby":
      let values = try arguments.bind(name, "attribute", "default", "case_sensitive")
      return try grouped(try items(of: value), values)
    case "unique":
      let values = try arguments.bind(name, "case_sensitive", "attribute")
      var seen: Set<JinjaKey> = []
      var result: [JinjaValue] = []
      for item in try items(of: value) where seen.insert(try JinjaKey(try key(of: item, values[1], values[0]))).inserted {
        result.append(item)
      }
      return .iterator(JinjaIterator(result))
    default:
      let values = try arguments.bind(name, "case_sensitive", "attribute")
      var best: (item: JinjaValue, key: JinjaValue)?
      for item in try items(of: value) {
        let key = try key(of: item, values[1], values[0])
        guard let current = best else {
          best = (item, key)
          continue
        }
        if try name == "min" ? precedes(key, current.key) : precedes(current.key, key) { best = (item, key) }
      }
      return best?.item ?? .undefined("No aggregated item, sequence was empty.")
    }
  }

  /// What an element is ordered by: itself or an attribute, texts without case unless that counts.
  private func key(of item: JinjaValue, _ path: JinjaValue?, _ isCaseSensitive: JinjaValue?) throws(JinjaFailure) -> JinjaValue {
    var key = item
    if let path {
      if case .none = path { key = item } else { key = try attribute(path, of: item) }
    }
    guard !(isCaseSensitive?.isTrue ?? false), let text = key.asText else { return key }
    return .text(try checked(text.lowercased))
  }

  private func dictionarySorted(_ value: JinjaValue, _ arguments: JinjaCall) throws(JinjaFailure) -> [JinjaValue] {
    let values = try arguments.bind("dictsort", "case_sensitive", "by", "reverse")
    guard case .mapping(let mapping) = value else { throw JinjaFailure(.values, "dictsort needs a mapping") }
    let byValue = try optionalText(values[1])?.string == "value"
    let entries = try sorted(mapping.entries, backwards: values[2]?.isTrue ?? false) { (entry) throws(JinjaFailure) in
      try key(of: byValue ? entry.value : entry.key, nil, values[0])
    }
    var pairs: [JinjaValue] = []
    for entry in entries { pairs.append(.sequence(try JinjaSequence(.tuple, [entry.key, entry.value]))) }
    return pairs
  }

  private func grouped(_ items: [JinjaValue], _ values: [JinjaValue?]) throws(JinjaFailure) -> JinjaValue {
    guard let path = values[0] else { throw JinjaFailure(.values, "groupby needs an attribute") }
    func found(_ item: JinjaValue) throws(JinjaFailure) -> JinjaValue {
      let value = try attribute(path, of: item)
      return value.isUndefined ? values[1] ?? value : value
    }
    let sorted = try sorted(items) { (item) throws(JinjaFailure) in try key(of: try found(item), nil, values[2]) }
    var groups: [(key: JinjaValue, items: [JinjaValue])] = []
    for item in sorted {
      let key = try key(of: try found(item), nil, values[2])
      if let last = groups.last, try equal(last.key, key) {
        groups[groups.count - 1].items.append(item)
      } else {
        groups.append((key, [item]))
      }
    }
    var result: [JinjaValue] = []
    for group in groups {
      let members = JinjaValue.sequence(try JinjaSequence(.list, group.items))
      result.append(.sequence(try JinjaSequence(.tuple, [try found(group.items[0]), members])))
    }
    return .sequence(try JinjaSequence(.list, result))
  }

  /// Elements in the order of their keys, equal ones as they were; by merging, as comparisons may fail.
  func sorted<T>(
    _ items: [T], backwards: Bool = false, by key: (T) throws(JinjaFailure) -> JinjaValue
  ) throws(JinjaFailure) -> [T] {
    var runs: [[(item: T, key: JinjaValue)]] = []
    for item in items { runs.append([(item, try key(item))]) }
    while runs.count > 1 {
      var merged: [[(item: T, key: JinjaValue)]] = []
      for index in stride(from: 0, to: runs.count, by: 2) {
        merged.append(index + 1 < runs.count ? try merge(runs[index], runs[index + 1], backwards) : runs[index])
      }
      runs = merged
    }
    return runs.first.map { $0.map(\.item) } ?? []
  }

  private func merge<T>(
    _ left: [(item: T, key: JinjaValue)], _ right: [(item: T, key: JinjaValue)], _ backwards: Bool
  ) throws(JinjaFailure) -> [(item: T, key: JinjaValue)] {
    var result: [(item: T, key: JinjaValue)] = []
    var (first, second) = (0, 0)
    while first < left.count, second < right.count {
      try spend(1)
      let takesRight =
        backwards ? try precedes(left[first].key, right[second].key) : try precedes(right[second].key, left[first].key)
      if takesRight {
        result.append(right[second])
        second += 1
      } else {
        result.append(left[first])
        first += 1
      }
    }
    return result + left[first...] + right[second...]
  }
}
