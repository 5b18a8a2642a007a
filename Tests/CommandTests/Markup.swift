/// Whether markup is whole: every element is closed in its order, every attribute quoted, no character left bare.
struct Markup {
  /// Names of elements, in the order in which they begin.
  private(set) var elements: [String] = []
  /// Why it is not whole.
  private(set) var problem: String?

  init(_ text: String) {
    var rest = Substring(text), open: [String] = []
    if rest.hasPrefix("<!DOCTYPE html>") { rest = rest.dropFirst(15) }
    while let next = rest.firstIndex(where: { $0 == "<" || $0 == "&" }) {
      rest = rest[next...]
      if rest.first == "&" {
        guard let entity = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].first(where: { rest.hasPrefix($0) }) else {
          problem = "a bare ampersand: \(rest.prefix(20))"
          return
        }
        rest = rest.dropFirst(entity.count)
        continue
      }
      guard let tag = Self.tag(&rest) else {
        problem = "a tag without end: \(rest.prefix(40))"
        return
      }
      if tag.hasPrefix("/") {
        guard open.popLast() == String(tag.dropFirst()) else {
          problem = "\(tag) closes what is not open"
          return
        }
        continue
      }
      let name = String(tag.prefix { $0.isLetter || $0.isNumber })
      guard !name.isEmpty, Self.hasQuotedAttributes(tag.dropFirst(name.count)) else {
        problem = "not a tag: \(tag)"
        return
      }
      elements.append(name)
      if !tag.hasSuffix("/") { open.append(name) }
    }
    if !open.isEmpty { problem = "open at the end: \(open)" }
  }

  /// Takes a tag, without its brackets; brackets inside quotes do not end it.
  private static func tag(_ rest: inout Substring) -> Substring? {
    var isQuoted = false
    for index in rest.indices.dropFirst() {
      if rest[index] == "\"" { isQuoted.toggle() }
      guard rest[index] == ">" && !isQuoted else { continue }
      let tag = rest[rest.index(after: rest.startIndex)..<index]
      rest = rest[rest.index(after: index)...]
      return tag
    }
    return nil
  }

  private static func hasQuotedAttributes(_ text: Substring) -> Bool {
    var rest = text
    while let start = rest.firstIndex(where: { $0 != " " && $0 != "/" && $0 != "\n" }) {
      let attribute = rest[start...]
      guard let equals = attribute.firstIndex(of: "="), attribute[attribute.index(after: equals)...].first == "\"" else {
        return false
      }
      let value = attribute[equals...].dropFirst(2)
      guard !attribute[..<equals].contains(" "), let end = value.firstIndex(of: "\"") else { return false }
      rest = value[end...].dropFirst()
    }
    return true
  }
}
