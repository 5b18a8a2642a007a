import Quantization
import Tensors

/// A matrix of whole numbers with steps, in memory.
public struct WholeTensor: RateTensorReader {
  /// The name, for messages.
  public let name: String
  /// [rows, columns].
  public let shape: [Int]
  /// The steps.
  public let steps: RateSteps
  /// The whole numbers, row-major.
  public let values: [Int16]
  /// The largest magnitude among them.
  public let largest: Int
  /// Not one that a file can have.
  public var storage: Storage { .quantized("whole") }
  /// Two bytes for each number.
  public var storedBytes: Int { 2 * values.count }

  /// A matrix of `shape`.
  public init(name: String = "test.weight", shape: [Int], steps: RateSteps, values: [Int16]) {
    self.name = name
    self.shape = shape
    self.steps = steps
    self.values = values
    largest = values.reduce(0) { max($0, Int($1.magnitude)) }
  }

  /// Random numbers of at most `most`, of which one in `rarity` columns has one of `largest`; steps of all sizes between an eighth
  /// and one.
  public init(rows: Int, columns: Int, most: Int, largest: Int? = nil, rarity: Int = 16, seed: UInt64 = 1) {
    var noise = Noise(seed)
    var values = (0..<rows * columns).map { _ in Int16((noise.float() * Float(most)).rounded()) }
    values[0] = Int16(most)
    if let largest {
      for column in stride(from: 3 % columns, to: columns, by: rarity) {
        values[Int(noise.next() % UInt64(rows)) * columns + column] = Int16(largest)
        values[Int(noise.next() % UInt64(rows)) * columns + column] = Int16(-largest)
      }
    }
    func steps(_ count: Int) -> [Float] { (0..<count).map { _ in 0.5625 + 0.4375 * noise.float() } }
    let rowSteps = steps(rows)
    self.init(shape: [rows, columns], steps: RateSteps(rows: rowSteps, columns: steps(columns)), values: values)
  }

  /// The elements of `range` as floats.
  public func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    let columns = shape[1]
    for (index, element) in range.enumerated() {
      output[index] = Float(values[element]) * steps.rows[element / columns] * steps.columns[element % columns]
    }
  }

  /// Copies lanes.
  public func readValues(lanes: Range<Int>, into output: UnsafeMutablePointer<Int16>) throws(LMToolError) {
    let lane = 64 * shape[1]
    let part = values[lanes.lowerBound * lane..<min(values.count, lanes.upperBound * lane)]
    _ = UnsafeMutableBufferPointer(start: output, count: part.count).update(from: part)
  }
}
