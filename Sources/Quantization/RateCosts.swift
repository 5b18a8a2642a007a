import Kernels

/// What each index costs in bits under a table set: for a quantizer that weighs bits against error.
///
/// The costs of symbols stand in one array that a loop can walk: index k of class c in a state of parity p is the high part
/// h = k >> rawBits(c) of model(c), and costs `symbols[(2 * model(c) + p) * 128 + 64 + h] + rawBits(c)` where h is in -64...63.
public struct RateCosts: Sendable {
  /// Bits of the high parts -64...63 of each model and parity, [model][parity][128].
  public let symbols: [Float]

  private let logarithms: [Int]
  private let frequencies: [UInt16]

  /// High parts on either side of 0 in `symbols`.
  public static let span = 64

  /// The costs under one set of `tables`.
  public init(_ tables: RateTables, set: Int = 0) {
    frequencies = tables.sets[set]
    logarithms = (0...RateKernel.total).map { $0 == 0 ? 0 : BinaryLogarithm.fixed(RateKernel.total) - BinaryLogarithm.fixed($0) }
    var symbols: [Float] = []
    for context in 0..<RateKernel.lengths {
      for high in -Self.span..<Self.span {
        let cost = Self.fixed(context: context, high: high, frequencies, logarithms)
        symbols.append(Float(cost) / 65536)
      }
    }
    self.symbols = symbols
  }

  /// The model of a class (RATE-4).
  public static func model(of class: Int) -> Int {
    `class` < RateKernel.models ? `class` : RateKernel.models - 4 + `class` & 3
  }

  /// Low bits of an index of a class that are sent as they are (RATE-4).
  public static func rawBits(of class: Int) -> Int {
    `class` < RateKernel.models ? 0 : (`class` - (RateKernel.models - 4)) >> 2
  }

  /// Bits of an index, whatever its size.
  public func bits(class: Int, isOdd: Bool, index: Int) -> Float {
    let raw = Self.rawBits(of: `class`)
    let context = 2 * Self.model(of: `class`) + (isOdd ? 1 : 0)
    let high = index >> raw
    if (-Self.span..<Self.span).contains(high) {
      return symbols[context * 2 * Self.span + Self.span + high] + Float(raw)
    }
    return Float(Self.fixed(context: context, high: high, frequencies, logarithms)) / 65536 + Float(raw)
  }

  /// What all symbols of a histogram cost together, in bits.
  func bits(_ histogram: RateHistogram) -> Double {
    var sum = histogram.rawBits << 16
    for (index, count) in histogram.counts.enumerated() where count > 0 {
      let (context, cell) = index.quotientAndRemainder(dividingBy: RateKernel.cells)
      sum += count * UInt64(fixed(context: context, cell: cell))
    }
    return Double(sum) / 65536
  }

  /// Units of 1/65536 bit for one count of a cell of a histogram.
  private func fixed(context: Int, cell: Int) -> Int {
    guard cell >= RateKernel.symbols else {
      return Self.fixed(context: context, high: cell - RateKernel.reach - 1, frequencies, logarithms)
    }
    return Self.escaped(context: context, length: cell - RateKernel.symbols, frequencies, logarithms)
  }

  private static func fixed(context: Int, high: Int, _ frequencies: [UInt16], _ logarithms: [Int]) -> Int {
    if (-RateKernel.reach...RateKernel.reach).contains(high) {
      let frequency = Int(frequencies[context * RateKernel.symbols + high + RateKernel.reach + 1])
      if frequency > 0 { return logarithms[frequency] }
    }
    return escaped(context: context, length: RateTableMaker.length(ofHigh: high), frequencies, logarithms)
  }

  private static func escaped(context: Int, length: Int, _ frequencies: [UInt16], _ logarithms: [Int]) -> Int {
    let escape = Int(frequencies[context * RateKernel.symbols])
    let code = Int(frequencies[RateKernel.lengths * RateKernel.symbols + length])
    return logarithms[escape] + logarithms[code] + length << 16
  }
}
