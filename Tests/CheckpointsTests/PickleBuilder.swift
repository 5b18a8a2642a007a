import TestSupport

/// The bytes of pickles, piece by piece, and archives around them.
enum PickleBuilder {
  static let proto: [UInt8] = [0x80, 2]
  static let none: [UInt8] = [0x4E]
  static let mark: [UInt8] = [0x28]
  static let reduce: [UInt8] = [0x52]
  static let emptyTuple: [UInt8] = [0x29]
  static let emptyList: [UInt8] = [0x5D]
  static let emptyDict: [UInt8] = [0x7D]

  static func text(_ text: String) -> [UInt8] { [0x58] + bytes(UInt32(text.utf8.count)) + bytes(text) }

  static func int(_ value: Int) -> [UInt8] { [0x8A, 8] + bytes(Int64(value)) }

  static func name(_ module: String, _ name: String) -> [UInt8] { [0x63] + bytes("\(module)\n\(name)\n") }

  static func tuple(_ items: [UInt8]...) -> [UInt8] { mark + items.flatMap { $0 } + [0x74] }

  static func integers(_ values: [Int]) -> [UInt8] { mark + values.flatMap { int($0) } + [0x74] }

  static func dict(_ pairs: ([UInt8], [UInt8])...) -> [UInt8] { emptyDict + mark + pairs.flatMap { $0.0 + $0.1 } + [0x75] }

  static func storage(_ type: String = "FloatStorage", key: String = "0", count: Int = 6) -> [UInt8] {
    tuple(text("storage"), name("torch", type), text(key), text("cpu"), int(count)) + [0x51]
  }

  static func tensor(
    _ storage: [UInt8] = storage(), offset: Int = 0, shape: [Int] = [2, 3], strides: [Int] = [3, 1]
  ) -> [UInt8] {
    let hooks = name("collections", "OrderedDict") + emptyTuple + reduce
    return name("torch._utils", "_rebuild_tensor_v2")
      + tuple(storage, int(offset), integers(shape), integers(strides), [0x89], hooks) + reduce
  }

  /// A pickle of one value.
  static func pickle(_ value: [UInt8]) -> [UInt8] { proto + value + [0x2E] }

  /// The archive of a state dict with one tensor, `weight`.
  static func file(weight: [UInt8]) -> [UInt8] { file(pickle: pickle(dict((text("weight"), weight)))) }

  /// An archive with a pickle and the storage "0" of six floats 0 to 5.
  static func file(pickle: [UInt8], _ others: [(String, [UInt8])] = []) -> [UInt8] {
    ZipBuilder([("a/data.pkl", pickle), ("a/data/0", bytes((0..<6).map { Float($0) }))] + others).file
  }
}
