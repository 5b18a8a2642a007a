import OrderedCollections
import Tensors

/// The part of a GGUF file before the data, as it grows.
struct GGUFHeaderBytes {
  /// The file under construction, for errors.
  let path: String
  private(set) var bytes = Array("GGUF".utf8)

  init(path: String) { self.path = path }

  /// Appends the rest of the header and the metadata.
  mutating func append(
    metadata: OrderedDictionary<String, GGUFValue>, tensorCount: Int
  ) throws(LMToolError) {
    append(UInt32(3))
    append(UInt64(tensorCount))
    append(UInt64(metadata.count))
    for (key, value) in metadata {
      guard !key.isEmpty, key.utf8.count <= 65_535 else {
        throw LMToolError(.badInput, "a key must have 1 to 65535 bytes", file: path, at: .key(key), rule: "GGUF-4")
      }
      append(Array(key.utf8))
      append(value.kind.rawValue)
      append(value)
    }
  }

  /// Appends the tensor infos and returns names and sizes.
  mutating func append(
    _ tensors: [GGUFTensorEntry], alignment: Int
  ) throws(LMToolError) -> [(name: String, size: Int)] {
    var sizes: [(name: String, size: Int)] = []
    var names: Set<String> = []
    var offset = 0
    for tensor in tensors {
      guard 1...63 ~= tensor.name.utf8.count, names.insert(tensor.name).inserted else {
        throw broken(8, "a name must have 1 to 63 bytes and occur once", tensor.name)
      }
      guard tensor.shape.count <= 4, let size = tensor.type.byteCount(tensor.shape),
        case (let end, false) = offset.addingReportingOverflow(size), end < Int.max - alignment
      else {
        throw broken(9, "a tensor of shape \(tensor.shape) and type \(tensor.type.name) does not fit into GGUF", tensor.name)
      }
      append(info: tensor, offset: offset)
      sizes.append((tensor.name, size))
      offset = padded(end, to: alignment)
    }
    return sizes
  }

  private mutating func append(info tensor: GGUFTensorEntry, offset: Int) {
    append(Array(tensor.name.utf8))
    append(UInt32(tensor.shape.count))
    for dimension in tensor.shape.reversed() { append(UInt64(dimension)) }
    append(tensor.type.rawValue)
    append(UInt64(offset))
  }

  private mutating func append(_ value: GGUFValue) {
    switch value {
    case .uint8(let value): append(value)
    case .int8(let value): append(value)
    case .uint16(let value): append(value)
    case .int16(let value): append(value)
    case .uint32(let value): append(value)
    case .int32(let value): append(value)
    case .float32(let value): append(value.bitPattern)
    case .bool(let value): append(UInt8(value ? 1 : 0))
    case .string(let value): append(Array(value.utf8))
    case .array(let values): append(values)
    case .uint64(let value): append(value)
    case .int64(let value): append(value)
    case .float64(let value): append(value.bitPattern)
    }
  }

  private mutating func append(_ array: GGUFArray) {
    append(array.kind.rawValue)
    append(UInt64(array.count))
    switch array {
    case .uint8(let values): bytes += values
    case .int8(let values): for value in values { append(value) }
    case .uint16(let values): for value in values { append(value) }
    case .int16(let values): for value in values { append(value) }
    case .uint32(let values): for value in values { append(value) }
    case .int32(let values): for value in values { append(value) }
    case .float32(let values): for value in values { append(value.bitPattern) }
    case .bool(let values): for value in values { append(UInt8(value ? 1 : 0)) }
    case .string(let values): for value in values { append(value) }
    case .uint64(let values): for value in values { append(value) }
    case .int64(let values): for value in values { append(value) }
    case .float64(let values): for value in values { append(value.bitPattern) }
    }
  }

  /// Appends a string: its length and its bytes.
  private mutating func append(_ string: [UInt8]) {
    append(UInt64(string.count))
    bytes += string
  }

  private mutating func append<Value: FixedWidthInteger>(_ value: Value) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  private func broken(_ rule: Int, _ message: String, _ tensor: String) -> LMToolError {
    LMToolError(.badInput, message, file: path, at: .tensor(tensor), rule: "GGUF-\(rule)")
  }
}
