import HeapModule

/// Merges a run of symbols: the pair of lowest rank first, the leftmost of equals, until no pair merges.
///
/// Short runs are scanned; long ones use a queue and a linked list, so that a run of n symbols costs O(n log n).
struct SymbolMerger {
  /// The symbols before `merge`, and what became of them after it.
  var symbols: [Int32] = []
  /// The last two symbols that became one in `merge`; nil where none did.
  private(set) var lastPair: (left: Int32, right: Int32)?
  private let pairs: PairTable
  private var ranks: [UInt64] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []

  /// The length up to which scanning is faster than a queue.
  private static let shortRun = 48

  init(pairs: PairTable) { self.pairs = pairs }

  /// Merges `symbols`.
  mutating func merge() {
    lastPair = nil
    guard symbols.count > 1 else { return }
    if symbols.count <= Self.shortRun { scan() } else { runQueue() }
  }

  private mutating func fillRanks() {
    ranks.removeAll(keepingCapacity: true)
    for index in 0..<(symbols.count - 1) { ranks.append(pairs.lookUp(symbols[index], symbols[index + 1])) }
    ranks.append(PairTable.none)
  }

  private mutating func scan() {
    fillRanks()
    var count = symbols.count
    var last: (left: Int32, right: Int32)?
    symbols.withUnsafeMutableBufferPointer { symbols in
      ranks.withUnsafeMutableBufferPointer { ranks in
        while let best = Self.lowest(ranks, count) {
          last = (symbols[best], symbols[best + 1])
          symbols[best] = Int32(truncatingIfNeeded: ranks[best])
          for index in (best + 1)..<(count - 1) {
            symbols[index] = symbols[index + 1]
            ranks[index] = ranks[index + 1]
          }
          count -= 1
          ranks[best] = best + 1 < count ? pairs.lookUp(symbols[best], symbols[best + 1]) : PairTable.none
          if best > 0 { ranks[best - 1] = pairs.lookUp(symbols[best - 1], symbols[best]) }
        }
      }
    }
    symbols.removeLast(symbols.count - count)
    lastPair = last
  }

  /// The place of the lowest rank; only the upper half of an entry is the rank.
  @inline(__always)
  private static func lowest(_ ranks: UnsafeMutableBufferPointer<UInt64>, _ count: Int) -> Int? {
    var best = -1
    var rank = PairTable.none >> 32
    for index in 0..<(count - 1) where ranks[index] >> 32 < rank {
      best = index
      rank = ranks[index] >> 32
    }
    return best < 0 ? nil : best
  }

  private mutating func runQueue() {
    fillRanks()
    let count = Int32(symbols.count)
    next = Array(1...count)
    previous = Array(-1..<(count - 1))
    var entries: [UInt64] = []
    for index in 0..<Int(count - 1) where ranks[index] != PairTable.none { entries.append(Self.entry(ranks[index], index)) }
    var queue = Heap(entries)
    while let entry = queue.popMin() { apply(entry, &queue) }
    compact()
  }

  /// A queue entry: the rank above, the place of the left symbol below; so equal ranks come leftmost first.
  @inline(__always)
  private static func entry(_ rank: UInt64, _ index: Int) -> UInt64 {
    (rank & 0xFFFF_FFFF_0000_0000) | UInt64(UInt32(truncatingIfNeeded: index))
  }

  /// Applies a queue entry unless one of its symbols has changed since.
  private mutating func apply(_ entry: UInt64, _ queue: inout Heap<UInt64>) {
    let left = Int(entry & 0xFFFF_FFFF)
    guard symbols[left] >= 0, ranks[left] != PairTable.none, ranks[left] >> 32 == entry >> 32 else { return }
    let right = Int(next[left])
    lastPair = (symbols[left], symbols[right])
    symbols[left] = Int32(truncatingIfNeeded: ranks[left])
    symbols[right] = Self.gone
    ranks[right] = PairTable.none
    next[left] = next[right]
    if next[left] < Int32(symbols.count) { previous[Int(next[left])] = Int32(left) }
    renew(left, &queue)
    if previous[left] >= 0 { renew(Int(previous[left]), &queue) }
  }

  /// Looks up the pair that now starts at `index`, and queues it.
  private mutating func renew(_ index: Int, _ queue: inout Heap<UInt64>) {
    let right = Int(next[index])
    ranks[index] = right < symbols.count ? pairs.lookUp(symbols[index], symbols[right]) : PairTable.none
    if ranks[index] != PairTable.none { queue.insert(Self.entry(ranks[index], index)) }
  }

  /// Marks a symbol that went into the one before it.
  private static let gone = Int32.min

  private mutating func compact() { symbols.removeAll { $0 == Self.gone } }
}
