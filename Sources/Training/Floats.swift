import Synchronization

/// Floats in memory, aligned to 64 bytes. Those of a `FloatPool` go back to it when they are no longer used.
public final class Floats: @unchecked Sendable {
  /// Where they lie.
  public let pointer: UnsafeMutablePointer<Float>
  /// How many there are.
  public let count: Int
  private let pool: FloatPool?

  /// Zeros.
  public convenience init(count: Int) {
    self.init(FloatPool.allocate(count), count: count, pool: nil)
    clear()
  }

  /// A copy.
  public convenience init(_ values: [Float]) {
    self.init(FloatPool.allocate(values.count), count: values.count, pool: nil)
    values.withUnsafeBufferPointer { if let base = $0.baseAddress { pointer.update(from: base, count: count) } }
  }

  fileprivate init(_ pointer: UnsafeMutablePointer<Float>, count: Int, pool: FloatPool?) {
    self.pointer = pointer
    self.count = count
    self.pool = pool
  }

  deinit { pool?.giveBack(pointer, count: count) ?? pointer.deallocate() }

  /// Makes all of them 0.
  public func clear() { pointer.update(repeating: 0, count: count) }

  /// Takes the elements of others of the same count.
  public func copy(_ other: Floats) {
    precondition(other.count == count, "as many floats as are there")
    pointer.update(from: other.pointer, count: count)
  }

  /// Takes as many elements as it has.
  public func update(from elements: [Float]) {
    precondition(elements.count == count, "as many floats as are there")
    elements.withUnsafeBufferPointer { if let base = $0.baseAddress { pointer.update(from: base, count: count) } }
  }

  /// The elements.
  public var array: [Float] { [Float](UnsafeBufferPointer(start: pointer, count: count)) }
}

/// Memory for the floats of a step, kept from one step to the next: fresh pages cost as much as the arithmetic that fills them.
public final class FloatPool: Sendable {
  private let free = Mutex<[Int: [UInt]]>([:])

  /// An empty pool.
  public init() {}

  deinit {
    for address in free.withLock({ $0.values.flatMap { $0 } }) { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
  }

  static func allocate(_ count: Int) -> UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer.allocate(byteCount: max(4 * count, 64), alignment: 64).bindMemory(to: Float.self, capacity: count)
  }

  /// Floats of any value.
  func take(_ count: Int) -> Floats {
    let kept = free.withLock { $0[count]?.popLast() }
    return Floats(kept.flatMap { UnsafeMutablePointer(bitPattern: $0) } ?? Self.allocate(count), count: count, pool: self)
  }

  /// Zeros.
  func zeros(_ count: Int) -> Floats {
    let floats = take(count)
    floats.clear()
    return floats
  }

  fileprivate func giveBack(_ pointer: UnsafeMutablePointer<Float>, count: Int) {
    free.withLock { $0[count, default: []].append(UInt(bitPattern: pointer)) }
  }
}
