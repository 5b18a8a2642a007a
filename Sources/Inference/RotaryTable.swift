import Models

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The cosines and sines of the rotary angles of every position.
final class RotaryTable {
  let spec: RotarySpec
  let headSize: Int
  private let half: Int
  /// [position][cosine or sine][half]
  private let table: UnsafeMutablePointer<Float>

  /// Angles are products in single precision, as `transformers` forms them.
  init(_ spec: RotarySpec, headSize: Int, positions: Int) {
    self.spec = spec
    self.headSize = headSize
    half = headSize / 2
    table = .allocate(capacity: max(1, positions * headSize))
    let frequencies = spec.frequencies(headSize: headSize)
    for position in 0..<positions {
      for (index, frequency) in frequencies.enumerated() {
        let angle = Double(Float(position) * frequency)
        table[position * headSize + index] = Float(cos(angle))
        table[position * headSize + half + index] = Float(sin(angle))
      }
    }
  }

  deinit { table.deallocate() }

  /// The headSize/2 cosines and sines of a position, valid as long as the table lives.
  func row(_ position: Int) -> (cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>) {
    let row = UnsafePointer(table + position * headSize)
    return (row, row + half)
  }
}
