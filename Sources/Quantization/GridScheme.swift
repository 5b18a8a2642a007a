import Tensors

/// A uniform grid of 4- or 8-bit integers with one scale, or one scale and one minimum, per row or per group of inputs.
///
/// `formats/quantized.md` specifies what the names and the bytes mean.
public struct GridScheme: Hashable, Sendable, Codable, CustomStringConvertible {
  /// Bits of a code: 4 or 8.
  public let bits: Int
  /// Consecutive inputs that share a scale: 32, 64 or 128; nil for the whole row.
  public let group: Int?
  /// Whether every scale comes with a minimum.
  public let hasMinimum: Bool

  /// Group sizes that exist.
  public static let groups = [32, 64, 128]

  /// The scheme of these parts, nil when there is none.
  public init?(bits: Int, group: Int?, hasMinimum: Bool) {
    guard bits == 4 || bits == 8 else { return nil }
    if let group { guard Self.groups.contains(group) else { return nil } }
    self.init(known: bits, group, hasMinimum)
  }

  /// The scheme called `name`, such as "int4-g32", "int8-row" or "int4-g64-min"; nil when there is none.
  public init?(name: String) {
    guard let scheme = Self.all.first(where: { $0.name == name }) else { return nil }
    self = scheme
  }

  private init(known bits: Int, _ group: Int?, _ hasMinimum: Bool) {
    self.bits = bits
    self.group = group
    self.hasMinimum = hasMinimum
  }

  /// Every scheme: 4 bits first, rows first, without minimum first.
  public static let all: [GridScheme] = [4, 8].flatMap { bits in
    ([nil] + groups.map(Optional.some)).flatMap { group in
      [false, true].map { GridScheme(known: bits, group, $0) }
    }
  }

  /// The names of every scheme, for help texts.
  public static var allNames: [String] { all.map(\.name) }

  /// "int4-g32", "int8-row", "int4-g64-min".
  public var name: String {
    "int\(bits)-" + (group.map { "g\($0)" } ?? "row") + (hasMinimum ? "-min" : "")
  }

  /// The name.
  public var description: String { name }

  /// Distinct codes: 16 or 256.
  public var levels: Int { 1 << bits }

  /// The smallest code as the number it stands for: -8, -128 or 0.
  public var lowest: Int { hasMinimum ? 0 : -levels / 2 }

  /// Stored bits per weight of rows of `columns` inputs, scales, minimums and padding included.
  public func bitsPerWeight(columns: Int) -> Double {
    let groups = group.map { (columns + $0 - 1) / $0 } ?? 1
    let codes = bits == 4 ? (columns + 1) / 2 : columns
    return Double(8 * codes + groups * (hasMinimum ? 32 : 16)) / Double(columns)
  }

  /// Reads the name.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let name = try container.decode(String.self)
    guard let scheme = GridScheme(name: name) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "there is no scheme \(name.printable); known are \(Self.allNames.joined(separator: ", "))")
    }
    self = scheme
  }

  /// Writes the name.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(name)
  }
}
