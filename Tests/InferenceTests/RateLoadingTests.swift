import Inference
import Kernels
import Quantization
import Tensors
import TestSupport
import Testing

/// Matrices of whole numbers in compute layout: what they hold is exact, whatever the numbers.
struct RateLoadingTests {
  /// Shapes whose rows fill lanes and blocks, or do not, with inputs that fill groups, or do not.
  private static let shapes = [(1, 1), (64, 64), (33, 40), (70, 96), (200, 47), (129, 576)]

  private func load(_ tensor: WholeTensor) throws -> WeightMatrix { try WeightMatrix.load(tensor, .integer) }

  private func row(_ index: Int, of matrix: WeightMatrix) -> [Float] {
    var row = [Float](repeating: .nan, count: matrix.inputs)
    matrix.row(index, into: &row)
    return row
  }

  private func expectExact(_ tensor: WholeTensor, _ format: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let matrix = try load(tensor), floats = try tensor.readAll(), columns = tensor.shape[1]
    #expect(matrix.formatName == format, sourceLocation: sourceLocation)
    for index in 0..<tensor.shape[0] {
      let expected = Array(floats[index * columns..<(index + 1) * columns])
      #expect(row(index, of: matrix) == expected, "row \(index)", sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: shapes) func smallNumbersHaveFourBits(rows: Int, columns: Int) throws {
    try expectExact(WholeTensor(rows: rows, columns: columns, most: 7), "int4")
  }

  @Test(arguments: shapes) func largerNumbersHaveEight(rows: Int, columns: Int) throws {
    try expectExact(WholeTensor(rows: rows, columns: columns, most: 127), "int8")
  }

  @Test(arguments: [8, 127, 128, 3000, 32767]) func fewLargeNumbersLieApart(largest: Int) throws {
    try expectExact(WholeTensor(rows: 129, columns: 96, most: 7, largest: largest), "int4")
    try expectExact(WholeTensor(rows: 129, columns: 96, most: 50, largest: largest), "int8")
  }

  @Test func manyLargeNumbersTakeEightBits() throws {
    try expectExact(WholeTensor(rows: 64, columns: 96, most: 6, largest: 20, rarity: 2), "int8")
    try expectExact(WholeTensor(rows: 64, columns: 96, most: 100, largest: 5000, rarity: 1), "int8")
  }

  @Test func minusEightIsStillFourBits() throws {
    let values: [Int16] = (0..<64 * 32).map { $0 == 40 ? -8 : Int16($0 % 15) - 7 }
    let steps = RateSteps(rows: [Float](repeating: 1, count: 64), columns: [Float](repeating: 0.25, count: 32))
    let tensor = WholeTensor(shape: [64, 32], steps: steps, values: values)
    try expectExact(tensor, "int4")
    #expect(try load(tensor).bytes == 2 * (32 * 4 + 32 * 32 / 2), "nothing lies apart")
  }

  /// The products of weights whose activations have exact codes are those of the floats.
  @Test(arguments: [(7, nil), (7, 3000), (127, nil), (100, 32767)]) func productsAreThoseOfTheFloats(
    most: Int, largest: Int?
  ) throws {
    let tensor = WholeTensor(rows: 150, columns: 96, most: most, largest: largest), floats = try tensor.readAll()
    for peaks in [false, true] {
      let x = ExactRows(tokens: 7, steps: tensor.steps.columns)
      x.expectClose(x.product(Projection([try load(tensor)], keepsPeaks: peaks)), to: floats)
    }
  }

  /// Matrices that read the same activations may have different column steps, or none.
  @Test func joinedMatricesHaveTheirOwnColumnSteps() throws {
    let first = WholeTensor(rows: 40, columns: 64, most: 7, largest: 900, seed: 1)
    let second = WholeTensor(rows: 70, columns: 64, most: 120, seed: 2)
    let third = WholeTensor(
      shape: first.shape, steps: RateSteps(rows: first.steps.rows.reversed(), columns: first.steps.columns),
      values: first.values.reversed())
    let floats = FloatTensor(shape: [33, 64], floats: (0..<33 * 64).map { Float($0 % 17) / 16 })
    let tensors: [any TensorReader] = [first, second, third, floats]
    let matrices = try tensors.map { try WeightMatrix.load($0, .integer) }
    let projection = Projection(matrices), rows = ExactRows(tokens: 5, steps: first.steps.columns)
    #expect(projection.codingCount == 2)
    let joined = rows.product(projection), apart = matrices.map { rows.product(Projection([$0])) }
    for token in 0..<5 {
      let expected = zip(matrices, apart).flatMap { $1[token * $0.outputs..<(token + 1) * $0.outputs] }
      #expect(Array(joined[token * projection.outputs..<(token + 1) * projection.outputs]) == expected)
    }
    rows.expectClose(apart[0], to: try first.readAll())
    rows.expectClose(apart[2], to: try third.readAll())
    rows.expectClose(apart[3], to: floats.floats)
  }

  @Test func codingTwiceIsTheSame() throws {
    let projection = Projection([try load(WholeTensor(rows: 40, columns: 64, most: 7, largest: 900))])
    let rows = ExactRows(tokens: 3, steps: [Float](repeating: 1, count: 64))
    #expect(rows.product(projection, preparations: 1) == rows.product(projection, preparations: 2))
  }

  @Test func floatArithmeticReadsFloats() throws {
    let tensor = WholeTensor(rows: 100, columns: 33, most: 7, largest: 900)
    let matrix = try WeightMatrix.load(tensor, .float), floats = try tensor.readAll()
    #expect(matrix.formatName == "f32" && row(99, of: matrix) == Array(floats[99 * 33..<100 * 33]))
  }

  /// MODEL-5: no weight is infinite or NaN.
  @Test(arguments: [Float.nan, .infinity, 1e36]) func stepsThatMakeNoNumbersAreRefused(step: Float) throws {
    let good = WholeTensor(rows: 64, columns: 32, most: 7, largest: 3000)
    for isRow in [false, true] {
      var rows = good.steps.rows, columns = good.steps.columns
      if isRow { rows[5] = step } else { columns[5] = step }
      let bad = WholeTensor(shape: good.shape, steps: RateSteps(rows: rows, columns: columns), values: good.values)
      #expect(expectFailure(.badInput) { _ = try load(bad) }?.rule == "MODEL-5")
    }
  }
}

/// Rows of activations that are whole multiples of 1/127 of the two largest of each 32 once they are multiplied with the steps.
private struct ExactRows {
  let tokens: Int
  let x: [Float]
  private let inputs: Int

  init(tokens: Int, steps: [Float]) {
    self.tokens = tokens
    inputs = steps.count
    var noise = Noise(11)
    x = (0..<tokens * inputs).map { index in
      let column = index % steps.count
      return (column % 32 < 2 ? 127 : (noise.float() * 127).rounded()) / steps[column]
    }
  }

  func product(_ projection: Projection, preparations: Int = 1) -> [Float] {
    let activations = Activations(rows: tokens, width: inputs, codings: projection.codingCount)
    activations.floats.update(from: x, count: x.count)
    for _ in 0..<preparations { projection.prepare(activations, rows: 0..<tokens) }
    var y = [Float](repeating: .nan, count: tokens * projection.outputs)
    projection.multiply(activations, tokens: tokens, into: &y)
    return y
  }

  /// Expects the product with a row-major matrix, but for the rounding of sums of floats.
  func expectClose(_ y: [Float], to matrix: [Float], sourceLocation: SourceLocation = #_sourceLocation) {
    let outputs = matrix.count / inputs
    for index in y.indices {
      let row = index % outputs * inputs, token = index / outputs * inputs
      let terms = (0..<inputs).map { Double(matrix[row + $0]) * Double(x[token + $0]) }
      let exact = terms.reduce(0, +), magnitude = terms.reduce(0) { $0 + $1.magnitude }
      #expect(abs(Double(y[index]) - exact) <= 2e-6 * magnitude + 1e-30, sourceLocation: sourceLocation)
    }
  }
}
