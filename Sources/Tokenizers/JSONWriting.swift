extension JSONTree.Member {
  /// A member with a key in plain text.
  init(_ key: String, _ value: JSONTree) { self.init(key: Array(key.utf8), value: value) }
}

extension JSONTree {
  /// A string value.
  static func text(_ text: String) -> JSONTree { .string(Array(text.utf8)) }

  /// An object whose first member is its type.
  static func typed(_ type: String, _ members: [Member]) -> JSONTree { .object([Member("type", .text(type))] + members) }

  /// The value as JSON: members in their order, large lists one element a line.
  func serialized() -> [UInt8] {
    var output: [UInt8] = []
    write(to: &output, depth: 0)
    output.append(0x0A)
    return output
  }

  private func write(to output: inout [UInt8], depth: Int) {
    switch self {
    case .null: output += "null".utf8
    case .bool(let value): output += (value ? "true" : "false").utf8
    case .integer(let value): output += "\(value)".utf8
    case .number(let value): output += (Int(exactly: value).map { "\($0)" } ?? "\(value)").utf8
    case .string(let bytes): Self.write(bytes, to: &output)
    case .array(let elements):
      Self.writeList(elements, "[]", &output, depth) { $0.write(to: &$1, depth: depth + 1) }
    case .object(let members):
      Self.writeList(members, "{}", &output, depth) { member, output in
        Self.write(member.key, to: &output)
        output.append(UInt8(ascii: ":"))
        member.value.write(to: &output, depth: depth + 1)
      }
    }
  }

  private static func writeList<Element>(
    _ elements: [Element], _ brackets: String, _ output: inout [UInt8], _ depth: Int, _ body: (Element, inout [UInt8]) -> Void
  ) {
    output += brackets.utf8.prefix(1)
    for (index, element) in elements.enumerated() {
      if index > 0 { output.append(UInt8(ascii: ",")) }
      if depth == 0 || elements.count > 16 { output.append(0x0A) }
      body(element, &output)
    }
    output += brackets.utf8.suffix(1)
  }

  private static func write(_ bytes: [UInt8], to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
      case 0..<0x20, 0x7F:
        let digits = Array("0123456789abcdef".utf8)
        output += "\\u00".utf8
        output += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}
