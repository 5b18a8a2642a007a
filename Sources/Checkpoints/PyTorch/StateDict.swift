import OrderedCollections
import Tensors

/// The state dict in what was saved, and what is left out of the file. Rules TORCH-7 to TORCH-9 of `formats/pytorch.md`.
struct StateDict {
  private static let wrappers = [
    "state_dict", "model_state_dict", "model_state", "model", "module", "weights", "params",
  ]
  private static let maximumDepth = 4

  /// Tensors by their names, in the order of the dict.
  private(set) var tensors: OrderedDictionary<String, TorchTensor> = [:]
  /// What is left out: "optimizer: a dict of 2".
  private(set) var leftOut: [String] = []
  private let table: PickleTable
  private let path: String

  /// Finds the state dict in `root`.
  init(_ root: PickleValue, _ table: PickleTable, path: String) throws(LMToolError) {
    self.table = table
    self.path = path
    var dict = try dictionary(root)
    var trail = ""
    for _ in 0..<Self.maximumDepth where !holdsTensors(dict) {
      let key = try wrapper(in: dict)
      leaveOut(dict.filter { $0.key != key }, trail)
      dict = items(dict[key] ?? .none) ?? [:]
      trail += key + "."
    }
    for (key, value) in dict {
      if case .tensor(let tensor) = table[value] { tensors[key] = tensor } else { leaveOut([key: value], trail) }
    }
    guard !tensors.isEmpty else { throw missing("it has no tensors") }
    try shortenNames()
  }

  /// What was saved, which must be a dict.
  private func dictionary(_ root: PickleValue) throws(LMToolError) -> OrderedDictionary<String, PickleValue> {
    if let dict = items(root) { return dict }
    if case .opaque(let what) = table[root] {
      throw missing("it is an object of \(what.printable), and objects are not made; save the state_dict() of the model")
    }
    throw missing("it is \(table.description(root))")
  }

  /// The entries of a dict that have names; a later one of the same name counts.
  private func items(_ value: PickleValue) -> OrderedDictionary<String, PickleValue>? {
    guard case .dictionary(let pairs) = table[value] else { return nil }
    var items: OrderedDictionary<String, PickleValue> = [:]
    for (key, value) in pairs { if case .text(let name) = key { items[name] = value } }
    return items
  }

  private func holdsTensors(_ dict: OrderedDictionary<String, PickleValue>) -> Bool {
    let known = Self.wrappers.contains { dict[$0].flatMap(items).map(isPromising) == true }
    return !known && dict.values.contains { if case .tensor = table[$0] { true } else { false } }
  }

  /// Whether a dict has tensors, or something that may lead to them.
  private func isPromising(_ dict: OrderedDictionary<String, PickleValue>) -> Bool {
    dict.values.contains { if case .tensor = table[$0] { true } else { false } }
      || Self.wrappers.contains { dict[$0].flatMap(items) != nil }
  }

  /// The key under which the state dict is.
  private func wrapper(in dict: OrderedDictionary<String, PickleValue>) throws(LMToolError) -> String {
    if let key = Self.wrappers.first(where: { dict[$0].flatMap(items).map(isPromising) == true }) { return key }
    let others = dict.filter { items($0.value).map(isPromising) == true }
    guard others.count == 1, let key = others.keys.first else {
      let names = dict.map { "\($0.key.printable): \(table.description($0.value))" }.prefix(20).joined(separator: ", ")
      throw missing(
        others.isEmpty ? "it has \(names)" : "several dicts in it have tensors: \(others.keys.joined(separator: ", "))")
    }
    return key
  }

  private mutating func leaveOut(_ dict: OrderedDictionary<String, PickleValue>, _ trail: String) {
    for (key, value) in dict { leftOut.append("\((trail + key).printable): \(table.description(value))") }
  }

  /// Takes off what wrappers of a model put into its names (TORCH-8).
  private mutating func shortenNames() throws(LMToolError) {
    let wrapped = ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."]
    var names = tensors.keys.map { name in wrapped.reduce(name) { $0.replacing($1, with: "") } }
    while names.allSatisfy({ $0.hasPrefix("module.") }) { names = names.map { String($0.dropFirst("module.".count)) } }
    guard Set(names).count == names.count else {
      throw LMToolError(
        .badInput, "two tensors have one name without the prefixes of wrapped modules", file: path, rule: "TORCH-8")
    }
    tensors = OrderedDictionary(uniqueKeys: names, values: tensors.values)
  }

  private func missing(_ what: String) -> LMToolError {
    LMToolError(.badInput, "no state dict is in this file: \(what)", file: path, rule: "TORCH-7")
  }
}
