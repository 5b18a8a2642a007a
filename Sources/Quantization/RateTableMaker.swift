import Kernels

/// Turns the counts of a histogram into frequencies that add up to 4096 in each context.
///
/// A symbol that would get less than half of 1/4096 goes without a frequency and is escaped. What rounding leaves over is given to,
/// or taken from, the symbols where it saves most or costs least.
struct RateTableMaker {
  /// [contexts][symbols].
  private(set) var frequencies: [UInt16]

  init(_ histogram: RateHistogram) {
    frequencies = []
    var lengths = [UInt64](repeating: 0, count: RateKernel.symbols)
    for context in 0..<RateKernel.lengths {
      let start = context * RateKernel.cells
      frequencies += Self.symbols(histogram.counts[start..<(start + RateKernel.cells)], lengths: &lengths)
    }
    frequencies += Self.fit(lengths, required: 0...RateKernel.longest)
  }

  /// The length of the code of an escaped high part, less its highest bit (RATE-6).
  static func length(ofHigh high: Int) -> Int {
    let escaped = high < 0 ? -2 * high : 2 * high + 1
    return Int.bitWidth - 1 - escaped.leadingZeroBitCount
  }

  /// The frequencies of one context; the lengths of what must be escaped are added to `lengths`.
  private static func symbols(_ cells: ArraySlice<UInt64>, lengths: inout [UInt64]) -> [UInt16] {
    let cells = Array(cells)
    let sum = cells.reduce(0, +)
    var counts = Array(cells[..<RateKernel.symbols])
    guard sum > 0 else {
      counts[RateKernel.reach + 1] = 1
      return fit(counts, required: 0...0)
    }
    for length in 0...RateKernel.longest {
      counts[0] += cells[RateKernel.symbols + length]
      lengths[length] += cells[RateKernel.symbols + length]
    }
    for symbol in 1..<counts.count where counts[symbol] > 0 && counts[symbol] * 2 * UInt64(RateKernel.total) < sum {
      lengths[length(ofHigh: symbol - RateKernel.reach - 1)] += counts[symbol]
      counts[0] += counts[symbol]
      counts[symbol] = 0
    }
    // Where all is escaped, another symbol has a frequency nevertheless (RATE-7).
    if counts.dropFirst().allSatisfy({ $0 == 0 }) { counts[RateKernel.reach + 1] = 1 }
    return fit(counts, required: 0...0)
  }

  /// Frequencies for counts: at least 1 for each symbol that occurs or is required, none for the others.
  private static func fit(_ counts: [UInt64], required: ClosedRange<Int>) -> [UInt16] {
    let sum = max(1, counts.reduce(0, +))
    let total = UInt64(RateKernel.total)
    var frequencies = counts.enumerated().map { symbol, count in
      count == 0 && !required.contains(symbol) ? 0 : max(1, Int((count * 2 * total + sum) / (2 * sum)))
    }
    var excess = frequencies.reduce(0, +) - RateKernel.total
    while excess != 0 {
      let step = excess > 0 ? -1 : 1
      let candidates = frequencies.indices.filter { frequencies[$0] > (excess > 0 ? 1 : 0) }
      let costs = candidates.map { cost(of: step, counts[$0], frequencies[$0]) }
      let best = costs.indices.min { costs[$0] < costs[$1] } ?? 0
      frequencies[candidates[best]] += step
      excess += step
    }
    return frequencies.map(UInt16.init)
  }

  /// What a change of a frequency costs, in units of 1/65536 bit.
  private static func cost(of step: Int, _ count: UInt64, _ frequency: Int) -> Int {
    Int(count) * (BinaryLogarithm.fixed(frequency) - BinaryLogarithm.fixed(frequency + step))
  }
}
