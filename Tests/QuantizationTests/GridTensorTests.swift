import Quantization
import Tensors
import Testing

/// f16 bits of 0.5, 1, 2, -1 and infinity.
private let half: UInt16 = 0x3800
private let one: UInt16 = 0x3C00
private let two: UInt16 = 0x4000
private let minusOne: UInt16 = 0xBC00
private let infinity: UInt16 = 0x7C00

struct GridTensorTests {
  /// Rules.
  @Test func nibblesOfOddRowsStandForMinus8To7() throws {
    let grid = try GridTensor(
      shape: [2, 3], scheme: scheme("int4-row"), codes: [0xF0, 0x08, 0x19, 0x07], scales: [half, minusOne])
    #expect(grid.dequantized() == [-4, 3.5, 0, -1, 7, 1])
  }

  /// Rule Q-6.
  @Test func bytesAreSignedWithoutMinimum() throws {
    let grid = try GridTensor(shape: [1, 4], scheme: scheme("int8-row"), codes: [0x80, 0xFF, 0, 0x7F], scales: [two])
    #expect(grid.dequantized() == [-256, -2, 0, 254])
  }

  /// Rule Q-3.
  @Test func withMinimumCodesStartAtZero() throws {
    let nibbles = try GridTensor(
      shape: [1, 2], scheme: scheme("int4-row-min"), codes: [0xF0], scales: [half], minimums: [minusOne])
    #expect(nibbles.dequantized() == [-1, 6.5])
    let bytes = try GridTensor(
      shape: [1, 2], scheme: scheme("int8-row-min"), codes: [0, 255], scales: [one], minimums: [minusOne])
    #expect(bytes.dequantized() == [-1, 254])
  }

  /// Rule Q-2.
  @Test func theLastGroupOfARowMayBeShorter() throws {
    var codes = [UInt8](repeating: 1, count: 2 * 40)
    codes[39] = 3
    let grid = try GridTensor(shape: [2, 40], scheme: scheme("int8-g32"), codes: codes, scales: [one, two, half, minusOne])
    let floats = grid.dequantized()
    #expect(floats[31] == 1 && floats[32] == 2 && floats[39] == 6)
    #expect(floats[40] == 0.5 && floats[72] == -1)
    var second = [Float](repeating: 0, count: 40)
    second.withUnsafeMutableBufferPointer { grid.dequantize(rows: 1..<2, into: $0) }
    #expect(second == Array(floats[40...]))
  }

  @Test func sizesThatDoNotFitAreRefused() {
    let int4 = scheme("int4-g32")
    let codes = [UInt8](repeating: 0, count: 32)
    func refusal(_ codes: [UInt8], _ scales: [UInt16], _ minimums: [UInt16] = [], _ scheme: GridScheme = int4) -> String? {
      rule { () throws(LMToolError) in
        _ = try GridTensor(shape: [2, 32], scheme: scheme, codes: codes, scales: scales, minimums: minimums)
      }
    }
    #expect(refusal(codes, [one, one]) == nil)
    #expect(refusal(codes + [0], [one, one]) == "Q-5")
    #expect(refusal(codes, [one]) == "Q-2")
    #expect(refusal(codes, [one, one], [one, one]) == "Q-2")
    #expect(refusal(codes, [one, one], [], scheme("int4-g32-min")) == "Q-2")
  }

  /// Rule Q-4.
  @Test func scalesAndMinimumsThatAreNotFiniteAreRefused() {
    for bits in [infinity, 0xFC00, 0x7E01] {
      #expect(
        rule { () throws(LMToolError) in
          _ = try GridTensor(shape: [1, 2], scheme: scheme("int4-row"), codes: [0], scales: [bits])
        } == "Q-4")
      #expect(
        rule { () throws(LMToolError) in
          _ = try GridTensor(shape: [1, 2], scheme: scheme("int4-row-min"), codes: [0], scales: [one], minimums: [bits])
        } == "Q-4")
    }
  }

  /// Rule Q-5.
  @Test func paddingThatIsNotZeroIsRefused() {
    #expect(
      rule { () throws(LMToolError) in
        _ = try GridTensor(shape: [2, 3], scheme: scheme("int4-row"), codes: [0xFF, 0x0F, 0xFF, 0x10], scales: [one, one])
      } == "Q-5")
  }
}
