import Tensors

/// Interprets a pickle without executing anything. The rules are those of `formats/pickle.md`; what calls mean is up to `torch`.
struct PickleMachine {
  /// The most bytes of a pickle.
  static let maximumSize = 1 << 26

  private(set) var table = PickleTable()
  private var reader: PickleReader
  private var stack = PickleStack()
  private var memo: [Int: PickleValue] = [:]
  private let torch: TorchObjects

  /// A machine for the pickle in `range` of `file`.
  init(_ file: MappedFile, _ range: Range<Int>, torch: TorchObjects) throws(LMToolError) {
    guard range.count <= Self.maximumSize else {
      throw LMToolError(
        .badInput, "the pickle has \(range.count) bytes, more than the limit of \(Self.maximumSize)", file: file.path,
        at: .offset(range.lowerBound), rule: "PICKLE-3")
    }
    reader = PickleReader(file, range)
    self.torch = torch
  }

  /// Runs to the end, and returns the value of the pickle.
  ///
  /// - Throws: `badInput` with the rule that is broken and the offset of the opcode.
  mutating func run() throws(LMToolError) -> PickleValue {
    try reader.checkProtocol()
    while true {
      let start = reader.offset
      do throws(LMToolError) {
        let opcode = try reader.opcode()
        guard opcode != .stop else { return try finish() }
        try perform(opcode)
      } catch {
        var error = error.within(file: reader.path)
        error.place = error.place ?? .offset(start)
        throw error
      }
    }
  }

  private mutating func finish() throws(LMToolError) -> PickleValue {
    guard reader.isAtEnd else {
      throw LMToolError(.badInput, "bytes follow the end of the pickle", at: .offset(reader.offset), rule: "PICKLE-1")
    }
    return try stack.pop()
  }

  private mutating func perform(_ opcode: PickleOpcode) throws(LMToolError) {
    switch opcode {
    case .proto, .frame, .stop: try reader.skipFrame(opcode)
    case .none, .newTrue, .newFalse, .binInt, .binInt1, .binInt2, .long1, .long4, .binFloat, .binUnicode, .shortBinUnicode,
      .binUnicode8:
      try stack.push(try reader.value(opcode) ?? table.add(.opaque("a number of more than 64 bits")))
    case .binBytes, .shortBinBytes, .binBytes8, .byteArray8:
      let count = try reader.skipBytes(opcode)
      try stack.push(table.add(.opaque("\(count) bytes")))
    case .emptyTuple, .tuple, .tuple1, .tuple2, .tuple3, .emptyList, .list, .emptyDict, .dict, .emptySet, .frozenSet:
      try stack.push(try container(opcode))
    case .append, .appends, .addItems, .setItem, .setItems: try extend(opcode)
    case .mark: try stack.mark()
    case .pop: if !stack.popBareMark() { _ = try stack.pop() }
    case .popMark: _ = try stack.popMarked()
    case .dup: try stack.push(try stack.top())
    case .binPut, .longBinPut: try remember(try stack.top(), at: try reader.index(opcode))
    case .memoize: try remember(try stack.top(), at: memo.count)
    case .binGet, .longBinGet: try recall(try reader.index(opcode))
    case .global, .stackGlobal: try stack.push(table.add(.name(try name(opcode))))
    case .binPersID: try stack.push(table.add(try torch.storage(try stack.pop(), table)))
    case .reduce, .build, .newObj, .newObjEx: try call(opcode)
    }
  }

  private mutating func remember(_ value: PickleValue, at index: Int) throws(LMToolError) {
    guard memo.count < PickleStack.maximumValues else {
      throw LMToolError(.badInput, "the pickle remembers more than \(PickleStack.maximumValues) values", rule: "PICKLE-3")
    }
    memo[index] = value
  }

  private mutating func recall(_ index: Int) throws(LMToolError) {
    guard let value = memo[index] else {
      throw LMToolError(.badInput, "value \(index) is recalled but was never remembered", rule: "PICKLE-5")
    }
    try stack.push(value)
  }
}

// Containers.
extension PickleMachine {
  private mutating func container(_ opcode: PickleOpcode) throws(LMToolError) -> PickleValue {
    switch opcode {
    case .emptyTuple: return table.add(.tuple([]))
    case .tuple: return table.add(.tuple(Array(try stack.popMarked())))
    case .tuple1, .tuple2, .tuple3:
      var items: [PickleValue] = []
      for _ in 0..<(1 + opcode.rawValue - PickleOpcode.tuple1.rawValue) { items.insert(try stack.pop(), at: 0) }
      return table.add(.tuple(items))
    case .list: return table.add(.list(Array(try stack.popMarked())))
    case .frozenSet: return table.add(.opaque("a set of \(try stack.popMarked().count)"))
    case .emptySet: return table.add(.opaque("a set"))
    case .emptyDict: return table.add(.dictionary([]))
    case .dict:
      let dictionary = table.add(.dictionary([]))
      guard table.set(try stack.popMarked(), in: dictionary) else { throw PickleStack.lacking("a value for every key") }
      return dictionary
    default: return table.add(.list([]))
    }
  }

  private mutating func extend(_ opcode: PickleOpcode) throws(LMToolError) {
    switch opcode {
    case .append:
      let item = try stack.pop()
      guard table.append([item], to: try stack.top()) else { throw PickleStack.lacking("a list") }
    case .setItem:
      let value = try stack.pop(), key = try stack.pop()
      guard table.set([key, value], in: try stack.top()) else { throw PickleStack.lacking("a dict") }
    case .setItems:
      let pairs = try stack.popMarked()
      guard table.set(pairs, in: try stack.top()) else { throw PickleStack.lacking("a dict and a value for every key") }
    default:
      let items = try stack.popMarked()
      guard table.append(items, to: try stack.top()) else { throw PickleStack.lacking("a list or set") }
    }
  }
}

// Names and calls.
extension PickleMachine {
  private mutating func name(_ opcode: PickleOpcode) throws(LMToolError) -> String {
    if opcode == .global { return try PickleNames.join(try reader.line(), try reader.line()) }
    guard case .text(let name) = try stack.pop(), case .text(let module) = try stack.pop() else {
      throw PickleStack.lacking("the text of a name")
    }
    return try PickleNames.join(module, name)
  }

  /// Turns a call into what it would give. The state that BUILD would set is forgotten: of what is known, only its attributes
  /// would be in it.
  private mutating func call(_ opcode: PickleOpcode) throws(LMToolError) {
    if opcode == .newObjEx { _ = try stack.pop() }
    let arguments = try stack.pop()
    if opcode == .build {
      _ = try stack.top()
      return
    }
    let callee = try stack.pop()
    guard case .tuple(let values) = table[arguments] else { throw PickleStack.lacking("a tuple of arguments") }
    guard case .name(let name) = table[callee] else {
      return try stack.push(table.add(.opaque("what \(table.description(callee)) gives")))
    }
    switch try torch.result(of: name, values, table) {
    case .value(let value): try stack.push(value)
    case .object(let object): try stack.push(table.add(object))
    }
  }
}
