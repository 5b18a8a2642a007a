import Tensors

/// A value of a pickle. Compound ones are places in a `PickleTable`, so that neither nesting nor cycles cost anything.
enum PickleValue: Sendable, Equatable {
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case text(String)
  /// A place in the table.
  case object(Int)
}

/// What a place of a `PickleTable` holds.
enum PickleObject: Sendable {
  case tuple([PickleValue])
  case list([PickleValue])
  /// Keys and values in the order in which they were set; a later one of the same key counts.
  case dictionary([(key: PickleValue, value: PickleValue)])
  /// A function or class, by module and name: "torch.FloatStorage".
  case name(String)
  indirect case storage(TorchStorage)
  indirect case tensor(TorchTensor)
  /// Something that Python would construct and this does not, by what it is: "argparse.Namespace".
  case opaque(String)

  /// What it is, for people.
  var description: String {
    switch self {
    case .tuple(let items): "a tuple of \(items.count)"
    case .list(let items): "a list of \(items.count)"
    case .dictionary(let items): "a dict of \(items.count)"
    case .name(let name): name.printable
    case .storage: "a storage"
    case .tensor(let tensor): "a tensor of the shape \(tensor.shape)"
    case .opaque(let what): what.printable
    }
  }
}

/// The compound values of a pickle.
struct PickleTable: Sendable {
  private(set) var objects: [PickleObject] = []

  /// The object that `value` is, nil for simple values.
  subscript(value: PickleValue) -> PickleObject? {
    guard case .object(let place) = value else { return nil }
    return objects[place]
  }

  /// Adds an object.
  mutating func add(_ object: PickleObject) -> PickleValue {
    objects.append(object)
    return .object(objects.count - 1)
  }

  /// Adds to a list, dict or set in place; what is added to anything opaque is forgotten.
  ///
  /// - Returns: whether `value` is something that can be added to.
  mutating func append(_ items: ArraySlice<PickleValue>, to value: PickleValue) -> Bool {
    guard case .object(let place) = value else { return false }
    switch objects[place] {
    case .list(var list):
      objects[place] = .list([])  // so that the array has one owner and grows in place
      list.append(contentsOf: items)
      objects[place] = .list(list)
      return true
    case .opaque: return true
    case .tuple, .dictionary, .name, .storage, .tensor: return false
    }
  }

  /// Sets pairs of keys and values of a dict in place; those of anything opaque are forgotten.
  ///
  /// - Returns: whether `value` is something that can be added to.
  mutating func set(_ pairs: ArraySlice<PickleValue>, in value: PickleValue) -> Bool {
    guard case .object(let place) = value, pairs.count % 2 == 0 else { return false }
    switch objects[place] {
    case .dictionary(var items):
      objects[place] = .dictionary([])
      for index in stride(from: pairs.startIndex, to: pairs.endIndex, by: 2) { items.append((pairs[index], pairs[index + 1])) }
      objects[place] = .dictionary(items)
      return true
    case .opaque: return true
    case .tuple, .list, .name, .storage, .tensor: return false
    }
  }

  /// The elements of a tuple or list.
  func items(_ value: PickleValue) -> [PickleValue]? {
    switch self[value] {
    case .tuple(let items), .list(let items): items
    case .dictionary, .name, .storage, .tensor, .opaque, nil: nil
    }
  }

  /// What a value is, for people.
  func description(_ value: PickleValue) -> String {
    switch value {
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .int(let value): String(value)
    case .double(let value): String(value)
    case .text(let text): "text of \(text.utf8.count) bytes"
    case .object(let place): objects[place].description
    }
  }
}
