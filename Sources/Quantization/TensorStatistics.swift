import Tensors

/// Figures of the elements of a tensor. Elements that are not finite are counted and left out of everything else.
public struct TensorStatistics: Sendable, Equatable {
  /// Elements in all.
  public private(set) var count = 0
  /// Elements that are zero.
  public private(set) var zeros = 0
  /// Elements that are NaN or infinite.
  public private(set) var nonfinite = 0
  /// The least finite element; infinite when there is none.
  public private(set) var minimum = Float.infinity
  /// The greatest finite element; minus infinity when there is none.
  public private(set) var maximum = -Float.infinity
  private var sum = 0.0
  private var squares = 0.0

  /// Elements that are read at a time.
  private static let piece = 1 << 18

  /// Streams through `tensor` once.
  public init(_ tensor: any TensorReader) throws(LMToolError) {
    try Self.stream(tensor) { add($0) }
  }

  /// The mean of the finite elements.
  public var mean: Double { finite == 0 ? 0 : sum / Double(finite) }
  /// The root of the mean square of the finite elements.
  public var rootMeanSquare: Double { finite == 0 ? 0 : (squares / Double(finite)).squareRoot() }

  private var finite: Int { count - nonfinite }

  private mutating func add(_ elements: UnsafeBufferPointer<Float>) {
    count += elements.count
    for element in elements {
      guard element.isFinite else {
        nonfinite += 1
        continue
      }
      if element == 0 { zeros += 1 }
      minimum = min(minimum, element)
      maximum = max(maximum, element)
      sum += Double(element)
      squares += Double(element) * Double(element)
    }
  }

  /// Streams through `tensor` a second time and counts its finite elements in `bins` equal intervals of minimum...maximum.
  ///
  /// - Precondition: `bins` is at least 1, and these are the statistics of `tensor`.
  public func histogram(of tensor: any TensorReader, bins: Int) throws(LMToolError) -> [Int] {
    precondition(bins >= 1, "a histogram needs a bin")
    var counts = [Int](repeating: 0, count: bins)
    let low = Double(minimum)
    let width = (Double(maximum) - low) / Double(bins)
    try Self.stream(tensor) { elements in
      for element in elements where element >= minimum && element <= maximum {
        counts[width > 0 ? min(bins - 1, Int((Double(element) - low) / width)) : 0] += 1
      }
    }
    return counts
  }

  private static func stream(
    _ tensor: any TensorReader, _ body: (UnsafeBufferPointer<Float>) -> Void
  ) throws(LMToolError) {
    let count = tensor.count
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(piece, count))
    defer { buffer.deallocate() }
    for start in stride(from: 0, to: count, by: piece) {
      let range = start..<min(start + piece, count)
      let target = UnsafeMutableBufferPointer(rebasing: buffer[0..<range.count])
      try tensor.read(range, into: target)
      body(UnsafeBufferPointer(target))
    }
  }
}
