/// A value of GGUF metadata.
public enum GGUFValue: Sendable, Equatable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case float32(Float)
  case bool(Bool)
  case string(String)
  case array(GGUFArray)
  case uint64(UInt64)
  case int64(Int64)
  case float64(Double)

  /// The value as an integer, if it is of an integer type and fits.
  public var int: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(value)
    case .float32, .float64, .bool, .string, .array: nil
    }
  }

  /// The value as a float, if it is of a float type.
  public var float: Float? {
    switch self {
    case .float32(let value): value
    case .float64(let value): Float(value)
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64, .bool, .string, .array: nil
    }
  }

  /// The truth value, if it is one.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// The string, if it is one.
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  /// The elements, if it is an array.
  public var array: GGUFArray? { if case .array(let value) = self { value } else { nil } }
  /// The elements, if it is an array of strings; as bytes, for tokens need not be UTF-8.
  public var strings: [[UInt8]]? { if case .array(.string(let values)) = self { values } else { nil } }
  /// The elements, if it is an array of integers that fit.
  public var ints: [Int]? { array?.ints }
  /// The elements, if it is an array of floats.
  public var floats: [Float]? { array?.floats }

  /// The kind of value.
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
    case .array: .array
    case .uint64: .uint64
    case .int64: .int64
    case .float64: .float64
    }
  }
}

/// The kinds of metadata values, numbered as in the file.
public enum GGUFValueKind: UInt32, Sendable, CaseIterable {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// The fewest bytes that a value takes in a file.
  var minimumSize: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .string: 8
    case .array: 12
    }
  }
}
