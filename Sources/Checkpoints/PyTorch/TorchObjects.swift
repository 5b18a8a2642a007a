import Tensors

/// What the calls in a PyTorch pickle mean. Rules TORCH-3 to TORCH-6 of `formats/pytorch.md`.
struct TorchObjects {
  /// What a call gives.
  enum Result {
    /// A value that was there already.
    case value(PickleValue)
    case object(PickleObject)
  }

  let archive: TorchArchive

  private static let storages: [String: DType] = [
    "torch.DoubleStorage": .f64, "torch.FloatStorage": .f32, "torch.HalfStorage": .f16, "torch.BFloat16Storage": .bf16,
    "torch.LongStorage": .i64, "torch.IntStorage": .i32, "torch.ShortStorage": .i16, "torch.CharStorage": .i8,
    "torch.ByteStorage": .u8, "torch.BoolStorage": .bool,
  ]
  private static let untyped: Set<String> = ["torch.storage.UntypedStorage", "torch.storage._UntypedStorage"]
  private static let elements: [String: DType] = [
    "torch.float64": .f64, "torch.float32": .f32, "torch.float16": .f16, "torch.bfloat16": .bf16, "torch.int64": .i64,
    "torch.int32": .i32, "torch.int16": .i16, "torch.int8": .i8, "torch.uint64": .u64, "torch.uint32": .u32,
    "torch.uint16": .u16, "torch.uint8": .u8, "torch.bool": .bool, "torch.float8_e4m3fn": .f8e4m3,
    "torch.float8_e5m2": .f8e5m2,
  ]

  /// The storage that a persistent id names.
  func storage(_ id: PickleValue, _ table: PickleTable) throws(LMToolError) -> PickleObject {
    guard case .tuple(let parts) = table[id], parts.count == 5, parts[0] == .text("storage"),
      case .name(let type) = table[parts[1]], case .text(let key) = parts[2], case .int(let count) = parts[4]
    else {
      throw LMToolError(.badInput, "a storage is not named by its type, key, device and count", rule: "TORCH-3")
    }
    let dtype = Self.storages[type]
    guard dtype != nil || Self.untyped.contains(type) else { return .opaque("a \(type)") }
    guard let range = try archive.storage(key) else {
      throw LMToolError(
        .badInput, "the archive has no data for the storage \(key.printable); it is incomplete", rule: "TORCH-3")
    }
    guard count >= 0, count == range.count / (dtype?.size ?? 1), range.count % (dtype?.size ?? 1) == 0 else {
      throw LMToolError(
        .badInput, "the storage \(key.printable) should have \(count) elements, but there are \(range.count) bytes",
        rule: "TORCH-3")
    }
    return .storage(TorchStorage(range: range, dtype: dtype))
  }

  /// What a call of `name` gives.
  func result(of name: String, _ arguments: [PickleValue], _ table: PickleTable) throws(LMToolError) -> Result {
    switch name {
    case "torch._utils._rebuild_tensor": .object(try tensor(name, arguments, 4, table))
    case "torch._utils._rebuild_tensor_v2": .object(try tensor(name, arguments, 6, table))
    case "torch._utils._rebuild_tensor_v3": .object(try tensor(name, arguments, 7, table))
    case "torch._utils._rebuild_parameter": .value(try first(of: arguments, 3, name))
    case "torch._utils._rebuild_parameter_with_state": .value(try first(of: arguments, 4, name))
    case "torch._tensor._rebuild_from_type_v2": try subclass(arguments, name, table)
    case "torch.Size": .value(try first(of: arguments, 1, name))
    case "collections.OrderedDict" where arguments.isEmpty: .object(.dictionary([]))
    case "collections.defaultdict": .object(.dictionary([]))
    default: .object(.opaque(name))
    }
  }

  /// A call of `_rebuild_from_type_v2` (function, type, arguments, state) gives what the function gives of the arguments.
  private func subclass(_ arguments: [PickleValue], _ name: String, _ table: PickleTable) throws(LMToolError) -> Result {
    guard arguments.count == 4, case .name(let function) = table[arguments[0]], case .tuple(let inner) = table[arguments[2]],
      function.hasPrefix("torch._utils.")
    else { return .object(.opaque(name)) }
    return try result(of: function, inner, table)
  }

  private func first(of arguments: [PickleValue], _ count: Int, _ name: String) throws(LMToolError) -> PickleValue {
    guard arguments.count >= count, let value = arguments.first else { throw wrong(name) }
    return value
  }

  private func tensor(
    _ name: String, _ arguments: [PickleValue], _ count: Int, _ table: PickleTable
  ) throws(LMToolError) -> PickleObject {
    guard arguments.count >= count else { throw wrong(name) }
    guard case .storage(let storage) = table[arguments[0]] else {
      return .opaque("a tensor of \(table.description(arguments[0]))")
    }
    guard case .int(let offset) = arguments[1], let shape = integers(arguments[2], table),
      let strides = integers(arguments[3], table)
    else { throw wrong(name) }
    guard let dtype = try dtype(of: storage, count == 7 ? arguments[6] : nil, table) else {
      return .opaque("a tensor of \(table.description(arguments[6]))")
    }
    let tensor = try TorchTensor(storage, dtype: dtype, offset: offset, shape: shape, strides: strides)
    return tensor.isExpanded ? .opaque("a tensor that repeats its elements, of the shape \(shape)") : .tensor(tensor)
  }

  /// The type of the elements: that of the storage, or for bytes the one that the tensor names; nil when that is not read.
  private func dtype(of storage: TorchStorage, _ named: PickleValue?, _ table: PickleTable) throws(LMToolError) -> DType? {
    guard let named else {
      guard let dtype = storage.dtype else {
        throw LMToolError(.badInput, "neither the tensor nor its storage says of which type the elements are", rule: "TORCH-4")
      }
      return dtype
    }
    guard case .name(let name) = table[named] else { throw wrong("torch._utils._rebuild_tensor_v3") }
    return Self.elements[name]
  }

  private func integers(_ value: PickleValue, _ table: PickleTable) -> [Int]? {
    guard let items = table.items(value), items.count <= 64 else { return nil }
    let integers = items.compactMap { if case .int(let integer) = $0 { integer } else { nil } }
    return integers.count == items.count ? integers : nil
  }

  private func wrong(_ name: String) -> LMToolError {
    LMToolError(.badInput, "the arguments of \(name) are not those that torch.save writes", rule: "TORCH-4")
  }
}
