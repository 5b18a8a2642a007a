import Tensors

/// The stack of the machine with its marks. Rules PICKLE-3 and PICKLE-4.
struct PickleStack {
  /// The most values that one pickle may push.
  static let maximumValues = 1 << 22

  private var values: [PickleValue] = []
  private var marks: [Int] = []
  private var pushed = 0

  /// Pushes a value.
  mutating func push(_ value: PickleValue) throws(LMToolError) {
    pushed += 1
    guard pushed <= Self.maximumValues else {
      throw LMToolError(.badInput, "the pickle has more than \(Self.maximumValues) values", rule: "PICKLE-3")
    }
    values.append(value)
  }

  /// Takes the value on top.
  mutating func pop() throws(LMToolError) -> PickleValue {
    guard values.count > marks.last ?? 0, let value = values.popLast() else { throw Self.lacking("a value") }
    return value
  }

  /// The value on top, left there.
  func top() throws(LMToolError) -> PickleValue {
    guard values.count > marks.last ?? 0, let value = values.last else { throw Self.lacking("a value") }
    return value
  }

  /// Sets a mark.
  mutating func mark() throws(LMToolError) {
    guard marks.count < Self.maximumValues else {
      throw LMToolError(.badInput, "the pickle has more than \(Self.maximumValues) marks", rule: "PICKLE-3")
    }
    marks.append(values.count)
  }

  /// Takes everything above the last mark, and the mark.
  mutating func popMarked() throws(LMToolError) -> ArraySlice<PickleValue> {
    guard let mark = marks.popLast() else { throw Self.lacking("a mark") }
    let taken = Array(values[mark...])
    values.removeSubrange(mark...)
    return taken[...]
  }

  /// Takes the last mark where nothing is above it.
  ///
  /// - Returns: whether there was one.
  mutating func popBareMark() -> Bool {
    guard let mark = marks.last, mark == values.count else { return false }
    marks.removeLast()
    return true
  }

  static func lacking(_ what: String) -> LMToolError {
    LMToolError(.badInput, "the opcode needs \(what), which is not on the stack; the pickle is damaged", rule: "PICKLE-4")
  }
}
