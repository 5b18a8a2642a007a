import Kernels

/// Tables for several matrices: one set for all, and further ones for those whose symbols are distributed otherwise, as of a sparse matrix
/// among dense ones (`formats/rate.md`, the writer).
public struct SharedRateTables: Sendable {
  /// The tables, the set that most matrices share first.
  public let tables: RateTables
  /// About what the lanes of all matrices take, within a few bytes for each, and the sets behind the first.
  public let bytes: Int

  /// A further set takes at least one part in so many off each matrix that is coded by it.
  private static let worthwhile = 50.0
  /// Times that a new set is made from the matrices that it is good for.
  private static let rounds = 3
  /// Sets that are tried in vain.
  private static let failures = 8

  /// Looks for sets: one for all, then one after the other like that of the matrix that is farthest above its entropy, as long as they save
  /// more than they take.
  public init(_ histograms: [RateHistogram]) {
    let entropies = histograms.map(\.entropy)
    var groups = [Group(histograms, Array(histograms.indices))], tried: Set<Int> = []
    while groups.count < RateTables.maximumSets, tried.count < groups.count + Self.failures {
      let costs = Self.costs(histograms, groups), gains = zip(costs, entropies).map { $0 - $1 }
      let candidates = costs.indices.filter { !tried.contains($0) && gains[$0] * Self.worthwhile > costs[$0] }
      guard let seed = candidates.max(by: { gains[$0] < gains[$1] }) else { break }
      tried.insert(seed)
      guard let group = Self.group(around: seed, histograms, costs) else { continue }
      let left = groups.map { $0.members.filter { !group.members.contains($0) } }
      groups = left.filter { !$0.isEmpty }.map { Group(histograms, $0) } + [group]
    }
    let tables = RateTables(groups.map(\.total))
    self.tables = tables
    let lanes = groups.indices.reduce(0) { $0 + tables.bytes(groups[$1].total, set: $1) }
    bytes = groups.dropFirst().reduce(lanes) { $0 + $1.tableBytes }
  }

  /// Matrices that share a set.
  private struct Group {
    let members: [Int]
    let total: RateHistogram

    init(_ histograms: [RateHistogram], _ members: [Int]) {
      self.members = members
      var total = RateHistogram()
      for member in members { total.add(histograms[member]) }
      self.total = total
    }

    var costs: RateCosts { RateCosts(RateTables([total])) }

    /// What the set takes in a file, contexts that do not occur aside: those pack well.
    var tableBytes: Int {
      let counts = total.counts, width = RateKernel.cells
      let unused = (0..<RateKernel.lengths).count { context in
        counts[context * width..<(context + 1) * width].allSatisfy { $0 == 0 }
      }
      return RateTables([total]).encoded().count - 1 - unused * SharedRateTables.emptyContext
    }
  }

  /// Bytes of a context with one symbol (RATE-7).
  private static let emptyContext = 6

  /// What each matrix takes by the set of its group, in bits.
  private static func costs(_ histograms: [RateHistogram], _ groups: [Group]) -> [Double] {
    var costs = histograms.map { _ in 0.0 }
    for group in groups {
      let table = group.costs
      for member in group.members { costs[member] = table.bits(histograms[member]) }
    }
    return costs
  }

  /// The matrices that a set like that of matrix `seed` is good for; nil where it would take more than it saves.
  private static func group(around seed: Int, _ histograms: [RateHistogram], _ costs: [Double]) -> Group? {
    // Of contexts that the matrix does not have, something is expected, so that others can have them.
    var start = RateHistogram.standard(count: 64)
    start.add(histograms[seed])
    var table = RateCosts(RateTables([start])), group: Group?, saved = 0.0
    for _ in 0..<rounds {
      let savings = histograms.indices.map { costs[$0] - table.bits(histograms[$0]) }
      let members = savings.indices.filter { savings[$0] * worthwhile > costs[$0] }
      guard !members.isEmpty else { return nil }
      let next = Group(histograms, members)
      table = next.costs
      saved = members.reduce(0) { $0 + costs[$1] - table.bits(histograms[$1]) }
      group = next
    }
    return group.flatMap { saved > Double(8 * $0.tableBytes) ? $0 : nil }
  }
}
