import Kernels
import Tensors

/// How far the elements of one tensor are from those of another of the same shape; sums are in 64-bit floats, in one order.
public struct TensorDifference: Sendable {
  /// Elements in all.
  public private(set) var count = 0
  /// Elements that differ. NaN equals NaN.
  public private(set) var unequal = 0
  /// The largest |a - b|; infinite where only one of the two is a number.
  public private(set) var largest = 0.0
  /// The largest |a| that is finite.
  public private(set) var magnitude = 0.0
  private var sum = 0.0
  private var squares = (first: 0.0, second: 0.0, difference: 0.0)
  private var product = 0.0

  /// Nothing yet.
  public init() {}

  /// The mean of |a - b|.
  public var mean: Double { count == 0 ? 0 : sum / Double(count) }
  /// The largest |a - b| against the largest |a|.
  public var relative: Double { unequal == 0 ? 0 : magnitude == 0 ? .infinity : largest / magnitude }
  /// The cosine of the angle between the two; 1 where both are zero.
  public var cosine: Double {
    if unequal == 0 { return 1 }
    let lengths = squares.first.squareRoot() * squares.second.squareRoot()
    return lengths == 0 ? 0 : product / lengths
  }
  /// The length of a - b against that of a.
  public var movement: Double {
    squares.difference == 0 ? 0 : squares.first == 0 ? .infinity : (squares.difference / squares.first).squareRoot()
  }

  /// Takes other elements into account.
  public mutating func add(_ other: TensorDifference) {
    count += other.count
    unequal += other.unequal
    largest = max(largest, other.largest)
    magnitude = max(magnitude, other.magnitude)
    sum += other.sum
    squares.first += other.squares.first
    squares.second += other.squares.second
    squares.difference += other.squares.difference
    product += other.product
  }

  private init(_ first: Slice<UnsafeMutableBufferPointer<Float>>, _ second: Slice<UnsafeMutableBufferPointer<Float>>) {
    count = first.count
    for index in first.indices {
      let a = first[index], b = second[index]
      let one = Double(a), other = Double(b), distance = (one - other).magnitude
      if a != b, !(a.isNaN && b.isNaN) {
        unequal += 1
        largest = max(largest, distance.isNaN ? .infinity : distance)
      }
      guard a.isFinite, b.isFinite else { continue }
      magnitude = max(magnitude, one.magnitude)
      sum += distance
      squares.first += one * one
      squares.second += other * other
      squares.difference += distance * distance
      product += one * other
    }
  }

  /// Reads two tensors piece by piece, which takes no more memory for larger ones.
  ///
  /// - Precondition: the shapes are the same.
  /// - Parameter progress: receives the number of elements of every piece.
  public static func measure(
    _ first: any TensorReader, _ second: any TensorReader, progress: (Int) -> Void = { _ in }
  ) throws(LMToolError) -> TensorDifference {
    let count = first.count, size = FloatPieces.size, share = size / 16
    let capacity = min(max(count, 1), size)
    let one = UnsafeMutableBufferPointer<Float>.allocate(capacity: capacity)
    let other = UnsafeMutableBufferPointer<Float>.allocate(capacity: capacity)
    let parts = UnsafeMutableBufferPointer<TensorDifference>.allocate(capacity: 16)
    parts.initialize(repeating: TensorDifference())
    defer {
      one.deallocate()
      other.deallocate()
      parts.deallocate()
    }
    var result = TensorDifference()
    for start in stride(from: 0, to: count, by: size) {
      let range = start..<min(start + size, count)
      try first.read(range, into: UnsafeMutableBufferPointer(rebasing: one[..<range.count]))
      try second.read(range, into: UnsafeMutableBufferPointer(rebasing: other[..<range.count]))
      first.discard()
      second.discard()
      let shares = (range.count + share - 1) / share
      ThreadPool.shared.forEach(shares) { index in
        let elements = index * share..<min((index + 1) * share, range.count)
        parts[index] = TensorDifference(one[elements], other[elements])
      }
      for part in parts[..<shares] { result.add(part) }
      progress(range.count)
    }
    return result
  }
}
