import Quantization
import Tensors
import TestSupport
import Testing

struct StatisticsTests {
  @Test func codesAreCountedWithoutThePaddingOfOddRows() throws {
    let grid = try GridTensor(
      shape: [2, 3], scheme: scheme("int4-row"), codes: [0x10, 0x0F, 0x88, 0x08], scales: [0x3C00, 0x3C00])
    let statistics = CodeStatistics(grid)
    #expect(statistics.lowest == -8)
    #expect(statistics.histogram == [1, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1])
    #expect(abs(statistics.entropy - 1.792481) < 1e-6)
  }

  @Test func signedBytesAreCountedFromMinus128() throws {
    let grid = try GridTensor(shape: [1, 4], scheme: scheme("int8-row"), codes: [0x80, 0xFF, 0, 0x7F], scales: [0])
    let statistics = CodeStatistics(grid)
    #expect(statistics.lowest == -128)
    #expect(statistics.histogram[0] == 1 && statistics.histogram[127] == 1 && statistics.histogram[128] == 1)
    #expect(statistics.histogram[255] == 1 && statistics.entropy == 2)
  }

  @Test func entropyOfOneCodeIsZero() throws {
    let grid = try GridTensor(shape: [1, 4], scheme: scheme("int8-row-min"), codes: [9, 9, 9, 9], scales: [0], minimums: [0])
    #expect(CodeStatistics(grid).entropy == 0)
    #expect(CodeStatistics(grid).histogram[9] == 4)
  }

  @Test func floatsThatAreNotFiniteAreCountedAndLeftOut() throws {
    let tensor = FloatTensor(shape: [8], floats: [1, -3, 0, .nan, .infinity, -0.0, 2, -.infinity])
    let statistics = try TensorStatistics(tensor)
    #expect(statistics.count == 8 && statistics.zeros == 2 && statistics.nonfinite == 3)
    #expect(statistics.minimum == -3 && statistics.maximum == 2)
    #expect(statistics.mean == 0)
    #expect(abs(statistics.rootMeanSquare - (14.0 / 5).squareRoot()) < 1e-12)
    #expect(try statistics.histogram(of: tensor, bins: 5) == [1, 0, 0, 2, 2])
  }

  @Test func aConstantAndATensorWithoutFiniteElementsHaveAHistogram() throws {
    let constant = FloatTensor(shape: [3], floats: [2, 2, 2])
    #expect(try TensorStatistics(constant).histogram(of: constant, bins: 4) == [3, 0, 0, 0])
    let none = FloatTensor(shape: [2], floats: [.nan, .nan])
    let statistics = try TensorStatistics(none)
    #expect(statistics.mean == 0 && statistics.rootMeanSquare == 0)
    #expect(try statistics.histogram(of: none, bins: 2) == [0, 0])
  }

  @Test func streamingOverSeveralPiecesCountsEverything() throws {
    let tensor = FloatTensor(shape: [600, 1000], floats: gaussians(600_000))
    let statistics = try TensorStatistics(tensor)
    #expect(statistics.count == 600_000)
    #expect(abs(statistics.rootMeanSquare - 1) < 0.01 && abs(statistics.mean) < 0.01)
    #expect(try statistics.histogram(of: tensor, bins: 64).reduce(0, +) == 600_000)
  }
}
