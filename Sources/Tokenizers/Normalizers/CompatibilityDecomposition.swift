/// What the compatibility forms of Unicode replace, which the standard library does not know.
struct CompatibilityDecomposition: Sendable {
  static let shared = CompatibilityDecomposition()

  private let mappings: [UInt32: [UInt8]]

  private init() {
    var mappings: [UInt32: [UInt8]] = [:]
    for entry in CompatibilityMappings.text.split(whereSeparator: \.isWhitespace) {
      let sides = entry.split(separator: "="), source = sides[0].split(separator: "+")
      let target = sides[1].split(separator: ".").map { UnicodeTable.scalar($0) }
      let first = UnicodeTable.scalar(source[0]).value, count = source.count > 1 ? UInt32(source[1]) ?? 1 : 1
      for step in 0..<count { mappings[first + step] = UnicodeTable.utf8(target, step) }
    }
    self.mappings = mappings
  }

  /// `bytes`, valid UTF-8, with every character replaced that is a variant of another one.
  func apply(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(where: { $0 >= 0x80 }) else { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      if let mapping = mappings[scalar.value] { result += mapping } else { result += UTF8.encode(scalar).map(Array.init) ?? [] }
    }
    return result
  }
}

/// The combining marks of Unicode.
struct MarkSet: Sendable {
  static let shared = MarkSet()

  private let ranges: [ClosedRange<UInt32>]

  private init() {
    ranges = CombiningMarks.text.split(whereSeparator: \.isWhitespace).map { entry in
      let ends = entry.split(separator: "-").map { UnicodeTable.scalar($0).value }
      return ends[0]...ends[ends.count - 1]
    }
  }

  func contains(_ scalar: Unicode.Scalar) -> Bool {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < scalar.value { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].contains(scalar.value)
  }
}

/// Reads the tables that are Swift sources.
private enum UnicodeTable {
  static func scalar(_ hexadecimal: Substring) -> Unicode.Scalar {
    guard let value = UInt32(hexadecimal, radix: 16), let scalar = Unicode.Scalar(value) else {
      preconditionFailure("a table of Unicode has \(hexadecimal)")
    }
    return scalar
  }

  /// The characters as UTF-8, the only one of a run moved on by `step`.
  static func utf8(_ scalars: [Unicode.Scalar], _ step: UInt32) -> [UInt8] {
    var text = ""
    for scalar in scalars { text.unicodeScalars.append(Unicode.Scalar(scalar.value + step) ?? scalar) }
    return Array(text.utf8)
  }
}
