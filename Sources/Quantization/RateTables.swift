import Kernels
import Tensors

/// The frequencies that rate matrices are coded with: a few table sets that all matrices of an artifact share
/// (`formats/rate.md`, RATE-5). Every index can be coded by every set.
public struct RateTables: Sendable, Equatable {
  /// The sets: [contexts][symbols] frequencies each.
  public let sets: [[UInt16]]

  /// Sets at most.
  public static let maximumSets = 16

  /// One set for each histogram: the shortest code that twelve bits of precision allow, by integers alone.
  ///
  /// - Precondition: there are 1 to 16 histograms.
  public init(_ histograms: [RateHistogram]) {
    precondition((1...Self.maximumSets).contains(histograms.count), "there are 1 to 16 table sets")
    sets = histograms.map { RateTableMaker($0).frequencies }
  }

  /// Takes frequencies that were checked.
  init(checked sets: [[UInt16]]) { self.sets = sets }

  /// What coding would take, in bits, without the few bytes that each lane needs besides.
  public func bits(_ histogram: RateHistogram, set: Int = 0) -> Double {
    RateCosts(self, set: set).bits(histogram)
  }

  /// The bytes that the lanes of a histogram take, within a few for each lane.
  public func bytes(_ histogram: RateHistogram, set: Int = 0) -> Int {
    Int((bits(histogram, set: set) / 8).rounded(.up)) + 3 * histogram.lanes
  }

  /// The set that codes a histogram in the fewest bits, the first of equals.
  public func best(for histogram: RateHistogram) -> Int {
    let costs = sets.indices.map { bits(histogram, set: $0) }
    return sets.indices.min { costs[$0] < costs[$1] } ?? 0
  }
}
