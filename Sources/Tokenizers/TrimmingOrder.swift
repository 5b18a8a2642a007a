import HeapModule

/// The order in which tokens are best given up: least loss for the bytes that are saved, and no token before those that are
/// merged from it.
///
/// A token can go only together with everything that is merged from it, its *descendants*. So in each step that token goes,
/// with its descendants, for which the loss of all of them is least for the bytes of all of them.
public struct TrimmingOrder: Sendable {
  /// The tokens that may go, first one first; every prefix leaves a closed vocabulary.
  public let tokens: [Int32]
  /// What each token costs: loss for bytes of the step in which it goes, never less than in the step before.
  public let prices: [Double]

  /// Orders the tokens that `isFixed` does not hold.
  ///
  /// - Parameters:
  ///   - isFixed: the tokens that stay in any case, closed (`TokenParents.closure`).
  ///   - loss: what is lost when a token is gone, above or equal 0.
  ///   - bytes: what is saved, above 0.
  public init(_ parents: TokenParents, isFixed: [Bool], loss: [Double], bytes: [Double]) {
    var search = Search(parents, isFixed: isFixed, loss: loss, bytes: bytes)
    search.run()
    tokens = search.tokens
    prices = search.prices
  }
}

private struct Search {
  private(set) var tokens: [Int32] = []
  private(set) var prices: [Double] = []
  private let loss: [Double]
  private let bytes: [Double]
  /// Of tokens that may go: those that may go and it is merged from, directly or not.
  private var ancestors: [[Int32]]
  /// Of tokens that may go: those that must go before it.
  private var descendants: [[Int32]]
  private var isGone: [Bool]
  /// Loss and bytes of a token and those of its descendants that are left.
  private var sums: [(loss: Double, bytes: Double)]
  private var queue = Heap<Entry>()

  private struct Entry: Comparable {
    var price: Double
    var token: Int32

    static func < (a: Entry, b: Entry) -> Bool { (a.price, a.token) < (b.price, b.token) }
  }

  init(_ parents: TokenParents, isFixed: [Bool], loss: [Double], bytes: [Double]) {
    self.loss = loss
    self.bytes = bytes
    isGone = isFixed
    ancestors = Array(repeating: [], count: isFixed.count)
    descendants = ancestors
    sums = Array(zip(loss, bytes)).map { ($0, $1) }
    for token in isFixed.indices where !isFixed[token] {
      ancestors[token] = Self.ancestors(of: Int32(token), parents, isFixed)
      for ancestor in ancestors[token] {
        descendants[Int(ancestor)].append(Int32(token))
        sums[Int(ancestor)].loss += loss[token]
        sums[Int(ancestor)].bytes += bytes[token]
      }
    }
    queue = Heap(isFixed.indices.filter { !isFixed[$0] }.map { Entry(price: price(of: $0), token: Int32($0)) })
  }

  private static func ancestors(of token: Int32, _ parents: TokenParents, _ isFixed: [Bool]) -> [Int32] {
    var found: [Int32] = [], known: Set<Int32> = [token]
    var pending = parents.parents(of: token)
    while let next = pending.popLast() {
      guard !isFixed[Int(next)], known.insert(next).inserted else { continue }
      found.append(next)
      pending += parents.parents(of: next)
    }
    return found
  }

  private func price(of token: Int) -> Double { max(0, sums[token].loss) / sums[token].bytes }

  mutating func run() {
    while let entry = queue.popMin() {
      let token = Int(entry.token)
      // An entry of before the last change of its price; the right one is in the queue too.
      guard !isGone[token], entry.price == price(of: token) else { continue }
      drop(entry)
    }
  }

  /// Gives up a token with its descendants, the longest lines first.
  private mutating func drop(_ entry: Entry) {
    let going = (descendants[Int(entry.token)] + [entry.token]).filter { !isGone[Int($0)] }
      .sorted { (ancestors[Int($1)].count, $1) < (ancestors[Int($0)].count, $0) }
    var changed: [Int32] = []
    for token in going {
      isGone[Int(token)] = true
      tokens.append(token)
      prices.append(max(entry.price, prices.last ?? 0))
      for ancestor in ancestors[Int(token)] where !isGone[Int(ancestor)] {
        sums[Int(ancestor)].loss -= loss[Int(token)]
        sums[Int(ancestor)].bytes -= bytes[Int(token)]
        changed.append(ancestor)
      }
    }
    for ancestor in Set(changed) where !isGone[Int(ancestor)] {
      queue.insert(Entry(price: price(of: Int(ancestor)), token: ancestor))
    }
  }
}
