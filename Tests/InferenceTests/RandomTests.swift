import Inference
import Testing

/// Xoshiro256** seeded by SplitMix64, against its authors' reference code.
struct RandomTests {
  static let vectors: [(seed: UInt64, numbers: [UInt64])] = [
    (0, [0x99EC_5F36_CB75_F2B4, 0xBF6E_1F78_4956_452A, 0x1A5F_849D_4933_E6E0, 0x6AA5_94F1_262D_2D2C, 0xBBA5_AD4A_1F84_2E59]),
    (42, [0x1578_0B2E_0C2E_C716, 0x6104_D986_6D11_3A7E, 0xAE17_5332_39E4_99A1]),
    (.max, [0x8F55_20D5_2A7E_AD08, 0xC476_A018_CAA1_802D, 0x81DE_31C0_D260_469E]),
  ]

  @Test(arguments: vectors) func numbersAreThoseOfTheReference(seed: UInt64, numbers: [UInt64]) {
    var random = Random(seed: seed)
    #expect(numbers.map { _ in random.next() } == numbers)
  }

  @Test func unitsLieBelowOneAndAreEven() {
    var random = Random(seed: 1)
    let units = (0..<10_000).map { _ in random.unit() }
    #expect(units.allSatisfy { (0..<1).contains($0) })
    #expect(abs(units.reduce(0, +) / 10_000 - 0.5) < 0.02)
  }
}
