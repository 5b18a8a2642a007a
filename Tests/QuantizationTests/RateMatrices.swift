import Kernels
import Quantization
import Tensors
import TestSupport

/// Weights as those of models are: half Gaussian, half Laplace, with rows and columns of different spread, quantized to the
/// nearest value that the trellis allows.
func rateMatrix(
  _ rows: Int, _ columns: Int, scale: Float = 1.5, outlier: Int16? = nil, trellis: RateTrellis = .states32
) throws -> RateMatrix {
  let gauss = gaussians(rows * columns + rows + columns, seed: UInt64(rows * 1000 + columns))
  let factors = gauss.suffix(rows + columns).map { RateSteps.factor(UInt8(128 + Int(4 * min(max(-3, $0), 3)))) }
  var indices = [Int16](repeating: 0, count: rows * columns)
  for top in stride(from: 0, to: rows, by: 64) {
    var state = 0
    for column in 0..<columns {
      for row in top..<min(top + 64, rows) {
        let place = row * columns + column
        let heavy = place % 2 == 0 ? gauss[place] : gauss[place] * abs(gauss[(place + 7) % gauss.count])
        let weight = heavy * scale * factors[row] * factors[rows + column]
        let isOdd = state & 1 == 1
        let magnitude = isOdd ? (abs(weight) < 0.5 ? 0 : max(1, ((abs(weight) + 1) / 2).rounded())) : (abs(weight) / 2).rounded()
        indices[place] = Int16(weight < 0 ? -magnitude : magnitude)
        if place == rows * columns / 2, let outlier { indices[place] = outlier }
        state = nextTrellisState(state, index: Int(indices[place]), states: trellis.states)
      }
    }
  }
  let matrix = RateMatrix(
    rows: rows, columns: columns, trellis: trellis, indices: indices,
    contexts: RateContexts(rowCodes: .init(repeating: 128, count: rows), columnCodes: .init(repeating: 48, count: columns)),
    base: 0.01, rowSteps: .init(repeating: 128, count: rows), columnSteps: (0..<columns).map { UInt8(120 + $0 % 16) })
  return try matrix.withMeasuredContexts()
}

/// A matrix of these indices and contexts that say nothing.
func plainRateMatrix(_ rows: Int, _ columns: Int, _ indices: [Int16], column code: UInt8 = 48) -> RateMatrix {
  RateMatrix(
    rows: rows, columns: columns, trellis: .states8, indices: indices,
    contexts: RateContexts(rowCodes: .init(repeating: 128, count: rows), columnCodes: .init(repeating: code, count: columns)),
    base: 1, rowSteps: .init(repeating: 128, count: rows), columnSteps: .init(repeating: 128, count: columns))
}

/// The matrix as a file would give it back.
func stored(_ encoded: EncodedRateMatrix, _ tables: RateTables) throws(LMToolError) -> StoredRateTensor {
  try StoredRateTensor(
    name: "m", parameters: encoded.parameters, tables: tables,
    slots: RateSlots(frequencies: tables.sets[encoded.parameters.set]), lanes: MemoryBytes(encoded.lanes))
}
