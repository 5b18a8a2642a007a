import Kernels

extension RateTables {
  /// Tables for a start, before there are histograms: each class is half a Laplace and half a Gaussian distribution of values with
  /// the mean magnitude of the class.
  public static let standard = RateTables([.standard(count: 1 << 30)])
}

extension RateHistogram {
  /// What the standard tables are made from. Double arithmetic without functions, so the same everywhere.
  ///
  /// - Parameter count: occurrences of each context. A few thousand beside what was counted keep costs sensible where little was.
  public static func standard(count: Int) -> RateHistogram {
    var histogram = RateHistogram()
    for model in 0..<RateKernel.models {
      let octave = Double(sign: .plus, exponent: model / 4 - 6, significand: 1)
      let mean = octave * BinaryLogarithm.sixteenths[model % 4 * 4]
      for parity in 0...1 {
        let shares = zip(shares(mean, parity, laplace), shares(mean, parity, gauss)).map { ($0 + $1) / 2 }
        for (symbol, share) in shares.enumerated() {
          histogram.add(Int(share * Double(count)), context: 2 * model + parity, symbol: symbol)
        }
      }
    }
    return histogram
  }

  /// The probabilities of the symbols in a state of this parity, of which every index covers as much as its value and half the way
  /// to its neighbours.
  private static func shares(_ mean: Double, _ parity: Int, _ weights: (Double) -> [Double]) -> [Double] {
    let weights = weights(mean)
    let reach = RateKernel.reach
    var shares = [Double](repeating: 0, count: RateKernel.symbols)
    for high in -reach...reach {
      let value = abs(2 * high) - (parity == 1 && high != 0 ? 1 : 0)
      let isBesideZero = parity == 1 && value <= 1  // the step from 0 to 1 is half of the others
      shares[high + reach + 1] = weights[value] * (isBesideZero ? (value == 0 ? 1 : 1.5) : 2)
    }
    let sum = shares.reduce(0, +)
    return shares.map { $0 / sum }
  }

  /// q^v for v = 0, 1, ..., with the mean magnitude `mean` over all whole numbers.
  private static func laplace(_ mean: Double) -> [Double] {
    let ratio = ((1 + mean * mean).squareRoot() - 1) / mean
    var weights = [1.0]
    for _ in 1...(2 * RateKernel.reach) { weights.append(weights[weights.count - 1] * ratio) }
    return weights
  }

  /// q^(v^2) for v = 0, 1, ..., with the mean magnitude `mean` over all whole numbers.
  private static func gauss(_ mean: Double) -> [Double] {
    var low = 0.0
    var high = 1.0
    for _ in 0..<40 {
      let middle = (low + high) / 2
      let weights = squares(middle)
      let sum = weights.reduce(0, +) * 2 - 1
      let found = weights.enumerated().reduce(0.0) { $0 + Double($1.offset) * $1.element } * 2 / sum
      if found < mean { low = middle } else { high = middle }
    }
    return squares(low)
  }

  /// ratio^(v^2) for v = 0...2 * reach.
  private static func squares(_ ratio: Double) -> [Double] {
    var weights = [1.0]
    var factor = ratio
    for _ in 1...(2 * RateKernel.reach) {
      weights.append(weights[weights.count - 1] * factor)
      factor *= ratio * ratio
    }
    return weights
  }
}
