import Models

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The cosines and sines of the rotary angles of every position.
public final class RotaryTable: @unchecked Sendable {
  /// Elements of a head that are rotated.
  public let size: Int
  private let spec: RotarySpec
  private let headSize: Int
  private let isLong: Bool
  private let half: Int
  /// [position][cosine or sine][half]
  private let table: UnsafeMutablePointer<Float>

  /// Angles are products in single precision, as `transformers` forms them.
  ///
  /// - Parameter isLong: whether texts are longer than the original context of LongRoPE.
  init(_ spec: RotarySpec, headSize: Int, positions: Int, isLong: Bool = false) {
    self.spec = spec
    self.headSize = headSize
    self.isLong = isLong
    size = spec.rotated(headSize: headSize)
    half = size / 2
    table = .allocate(capacity: max(1, positions * size))
    let frequencies = spec.frequencies(headSize: headSize, isLong: isLong), factor = spec.attentionFactor
    for position in 0..<positions {
      for (index, frequency) in frequencies.enumerated() {
        let angle = Double(Float(position) * frequency)
        table[position * size + index] = Float(cos(angle)) * factor
        table[position * size + half + index] = Float(sin(angle)) * factor
      }
    }
  }

  deinit { table.deallocate() }

  /// The cosines and sines of half the rotated elements at a position, valid as long as the table lives.
  public func row(_ position: Int) -> (cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>) {
    let row = UnsafePointer(table + position * size)
    return (row, row + half)
  }

  /// The tables of all layers of a model; layers that are rotated alike share one, and so do calls with the same `known`.
  public static func tables(
    _ spec: ModelSpec, positions: Int, isLong: Bool, known: inout [RotaryTable]
  ) -> [RotaryTable?] {
    spec.layers.map { layer in
      guard let rotary = layer.attention.rotary else { return nil }
      let size = layer.attention.headSize
      if let same = known.first(where: { $0.spec == rotary && $0.headSize == size && $0.isLong == isLong }) { return same }
      let table = RotaryTable(rotary, headSize: size, positions: positions, isLong: isLong)
      known.append(table)
      return table
    }
  }
}
