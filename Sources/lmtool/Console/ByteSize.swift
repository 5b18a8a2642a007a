import ArgumentParser
import Tensors

/// A number of bytes as people write it: "40MB", "38.1 MiB", "500kB", "123456".
///
/// kB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB are powers of 1024. A single letter counts as the power of 1000, so
/// that a budget is kept whichever was meant.
package struct ByteSize: Sendable, Equatable {
  /// The bytes, at least 1.
  package let bytes: Int

  /// So many bytes.
  package init(_ bytes: Int) { self.bytes = bytes }

  private static let units: [String: Double] = [
    "": 1, "b": 1, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12,
    "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40,
  ]

  /// Reads a size; fractions of a byte are rounded.
  ///
  /// - Throws: `usage` when it is not a number with a unit, or not from 1 byte to 2^53.
  package init(parsing text: String) throws(LMToolError) {
    let number = text.prefix { ("0"..."9").contains($0) || $0 == "." }
    let unit = text.dropFirst(number.count).drop { $0 == " " }.lowercased()
    guard let value = Double(number), let factor = Self.units[unit] else {
      throw LMToolError(.usage, "\(text.printable) is not a size; write a number and a unit, such as 40MB, 38.1MiB or 123456")
    }
    guard (1...0x1p53).contains((value * factor).rounded()) else {
      throw LMToolError(.usage, "the size \(text.printable) is out of bounds; it must be 1 byte or more, and at most 9 PB")
    }
    bytes = Int((value * factor).rounded())
  }
}

extension ByteSize: ExpressibleByArgument {
  /// The size that an option names, or nil; option parsing then shows the option's help.
  package init?(argument: String) {
    guard let size = try? ByteSize(parsing: argument) else { return nil }
    self = size
  }
}

extension ByteSize: CustomStringConvertible {
  /// In powers of 1000, to a tenth: "999 B", "1.2 kB", "78.3 MB".
  package var description: String {
    var value = Double(bytes), index = 0
    let names = ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.95 && index + 1 < names.count {
      value /= 1000
      index += 1
    }
    return index == 0 ? "\(bytes) B" : "\(value.fixed(1)) \(names[index])"
  }
}
