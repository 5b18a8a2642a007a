import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How often each code of a quantized matrix occurs.
public struct CodeStatistics: Sendable, Equatable {
  /// The number that the first entry of `histogram` counts: -8, -128 or 0.
  public let lowest: Int
  /// Occurrences of every code, 16 or 256 entries.
  public let histogram: [Int]

  /// Counts the codes of `grid`.
  public init(_ grid: GridTensor) {
    lowest = grid.scheme.lowest
    histogram = grid.scheme.bits == 4 ? Self.nibbles(grid) : Self.bytes(grid)
  }

  /// Order-0 entropy in bits per weight: what an ideal coder without context needs for the codes.
  public var entropy: Double {
    let total = Double(histogram.reduce(0, +))
    return histogram.reduce(0) { sum, count in
      guard count > 0 else { return sum }
      let share = Double(count) / total
      return sum - share * log2(share)
    }
  }

  private static func byteCounts(_ codes: [UInt8]) -> [Int] {
    var counts = [Int](repeating: 0, count: 256)
    for code in codes { counts[Int(code)] += 1 }
    return counts
  }

  private static func nibbles(_ grid: GridTensor) -> [Int] {
    var counts = [Int](repeating: 0, count: 16)
    for (byte, count) in byteCounts(grid.codes).enumerated() {
      counts[byte & 15] += count
      counts[byte >> 4] += count
    }
    if grid.layout.columns % 2 == 1 { counts[0] -= grid.layout.rows }  // the padding of odd rows is zero
    return counts
  }

  private static func bytes(_ grid: GridTensor) -> [Int] {
    let counts = byteCounts(grid.codes)
    return grid.scheme.hasMinimum ? counts : Array(counts[128...] + counts[..<128])
  }
}
