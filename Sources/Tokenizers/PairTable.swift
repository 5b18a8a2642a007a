/// A hash table from a pair of symbols to the rank and the result of their merge.
///
/// Open addressing with linear probing; the hash is seeded per process so that a hostile vocabulary cannot make it slow.
final class PairTable: Sendable {
  private nonisolated(unsafe) let slots: UnsafeMutablePointer<Slot>
  private let mask: Int
  private let seed: UInt64

  private struct Slot {
    var key: UInt64
    var value: UInt64
  }

  /// No rank: the pair does not merge.
  static let none = UInt64.max

  /// A table of `merges`: (left, right, rank, result). Of equal pairs the last one counts.
  init(count: Int, fill: ((_ left: Int32, _ right: Int32, _ rank: UInt32, _ result: Int32) -> Void) -> Void) {
    var capacity = 64
    while capacity < count * 2 { capacity *= 2 }
    let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
    slots.initialize(repeating: Slot(key: .max, value: .max), count: capacity)
    let mask = capacity - 1
    let seed = UInt64.random(in: 1...UInt64.max)
    fill { left, right, rank, result in
      let key = Self.key(left, right)
      var index = Self.hash(key, seed) & mask
      while slots[index].key != key && slots[index].key != .max { index = (index + 1) & mask }
      slots[index] = Slot(key: key, value: UInt64(rank) << 32 | UInt64(UInt32(bitPattern: result)))
    }
    self.slots = slots
    self.mask = mask
    self.seed = seed
  }

  deinit { slots.deallocate() }

  /// The rank in the upper and the result in the lower 32 bits, or `none`.
  @inline(__always)
  func lookUp(_ left: Int32, _ right: Int32) -> UInt64 {
    guard left >= 0, right >= 0 else { return Self.none }
    let key = Self.key(left, right)
    var index = Self.hash(key, seed) & mask
    while true {
      let slot = slots[index]
      if slot.key == key { return slot.value }
      if slot.key == .max { return Self.none }
      index = (index + 1) & mask
    }
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private static func hash(_ key: UInt64, _ seed: UInt64) -> Int {
    let product = (key ^ seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15 ^ (seed << 1))
    return Int(truncatingIfNeeded: product.high ^ product.low)
  }
}
