/// An array of GGUF metadata: elements of one kind, stored as such.
public enum GGUFArray: Sendable, Equatable {
  case uint8([UInt8])
  case int8([Int8])
  case uint16([UInt16])
  case int16([Int16])
  case uint32([UInt32])
  case int32([Int32])
  case float32([Float])
  case bool([Bool])
  case string([[UInt8]])
  case uint64([UInt64])
  case int64([Int64])
  case float64([Double])

  /// The number of elements.
  public var count: Int {
    switch self {
    case .uint8(let values): values.count
    case .int8(let values): values.count
    case .uint16(let values): values.count
    case .int16(let values): values.count
    case .uint32(let values): values.count
    case .int32(let values): values.count
    case .float32(let values): values.count
    case .bool(let values): values.count
    case .string(let values): values.count
    case .uint64(let values): values.count
    case .int64(let values): values.count
    case .float64(let values): values.count
    }
  }

  /// The kind of the elements.
  public var kind: GGUFValueKind {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .float32: .float32
    case .bool: .bool
    case .string: .string
    case .uint64: .uint64
    case .int64: .int64
    case .float64: .float64
    }
  }

  /// The elements, if they are integers and all fit.
  public var ints: [Int]? {
    switch self {
    case .uint8(let values): values.map { Int($0) }
    case .int8(let values): values.map { Int($0) }
    case .uint16(let values): values.map { Int($0) }
    case .int16(let values): values.map { Int($0) }
    case .uint32(let values): values.map { Int($0) }
    case .int32(let values): values.map { Int($0) }
    case .uint64(let values): values.allSatisfy { $0 <= UInt64(Int.max) } ? values.map { Int($0) } : nil
    case .int64(let values): values.map { Int($0) }
    case .float32, .float64, .bool, .string: nil
    }
  }

  /// The elements, if they are floats.
  public var floats: [Float]? {
    switch self {
    case .float32(let values): values
    case .float64(let values): values.map { Float($0) }
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64, .bool, .string: nil
    }
  }
}
