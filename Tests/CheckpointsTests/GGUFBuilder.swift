import Checkpoints
import Tensors
import TestSupport

/// Builds GGUF files byte by byte, also broken ones.
struct GGUFBuilder {
  var magic = bytes("GGUF")
  var version: UInt32 = 3
  /// Written instead of the true counts.
  var tensorCount: UInt64?
  var keyCount: UInt64?
  var metadata: [[UInt8]] = []
  var infos: [[UInt8]] = []
  var alignment = 32
  var data: [UInt8] = []

  /// The whole file.
  var file: [UInt8] {
    var file = magic + bytes(version) + bytes(tensorCount ?? UInt64(infos.count)) + bytes(keyCount ?? UInt64(metadata.count))
    file += metadata.flatMap { $0 } + infos.flatMap { $0 }
    return file + [UInt8](repeating: 0, count: (alignment - file.count % alignment) % alignment) + data
  }

  /// A string: its length and its bytes.
  static func string(_ text: [UInt8]) -> [UInt8] { bytes(UInt64(text.count)) + text }

  /// A metadata entry: key, value type and the bytes of the value.
  static func entry(_ key: String, _ kind: UInt32, _ value: [UInt8]) -> [UInt8] { string(bytes(key)) + bytes(kind) + value }

  /// The value of an array.
  static func array(_ kind: UInt32, count: UInt64, _ elements: [UInt8]) -> [UInt8] { bytes(kind) + bytes(count) + elements }

  /// A tensor info; dimensions innermost first, as in the file.
  static func info(_ name: String, _ dimensions: [UInt64], _ type: GGMLType, at offset: UInt64 = 0) -> [UInt8] {
    info(name, dimensions, type.rawValue, at: offset)
  }

  /// A tensor info of any type number and with any number of dimensions.
  static func info(
    _ name: String, _ dimensions: [UInt64], _ type: UInt32, at offset: UInt64 = 0, dimensionCount: UInt32? = nil
  ) -> [UInt8] {
    string(bytes(name)) + bytes(dimensionCount ?? UInt32(dimensions.count)) + dimensions.flatMap { bytes($0) } + bytes(type)
      + bytes(offset)
  }
}
