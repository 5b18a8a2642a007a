/// The logits of some positions, [positions][vocabulary]: a view of a session's buffer, which it keeps alive.
///
/// The next call of the session's `forward` overwrites it.
public struct Logits: RandomAccessCollection {
  private let owner: AnyObject
  /// The elements; valid as long as this value lives.
  let buffer: UnsafeBufferPointer<Float>

  /// A view of `buffer`, which `owner` keeps alive.
  package init(_ buffer: UnsafeBufferPointer<Float>, owner: AnyObject) {
    self.buffer = buffer
    self.owner = owner
  }

  /// 0.
  public var startIndex: Int { 0 }
  /// The number of elements.
  public var endIndex: Int { buffer.count }
  /// One logit.
  public subscript(position: Int) -> Float { buffer[position] }

  /// Calls `body` with the elements.
  public func withUnsafeBufferPointer<Result, Failure: Error>(
    _ body: (UnsafeBufferPointer<Float>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(owner) {} }
    return try body(buffer)
  }
}
