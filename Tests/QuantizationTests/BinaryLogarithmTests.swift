import Quantization
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Logarithms and powers that need no library, beside those of the library.
struct BinaryLogarithmTests {
  /// Whether `result` is log2(x) in units of 1/65536, rounded down: exactly for powers of two, else but for a unit.
  private func isLogarithm(_ result: Int, of x: Int) -> Bool {
    let exact = log2(Double(x)) * 65536
    return Double(result) <= exact + 1e-3 && Double(result) > exact - 2
  }

  @Test func fixedLogarithmsAreThoseOfTheLibrary() {
    for x in 1...20_000 { #expect(isLogarithm(BinaryLogarithm.fixed(x), of: x), "log2(\(x))") }
    for exponent in 0..<63 {
      let power = 1 << exponent
      #expect(BinaryLogarithm.fixed(power) == exponent << 16)
      guard exponent > 1 else { continue }
      for x in [power - 1, power + 1, power + power / 2, power + power / 3] {
        #expect(isLogarithm(BinaryLogarithm.fixed(x), of: x), "log2(\(x))")
      }
    }
    #expect(isLogarithm(BinaryLogarithm.fixed(.max), of: .max))
    var noise = Noise(1)
    for _ in 0..<2000 {
      let x = Int(noise.next() >> (1 + noise.next() % 62))
      if x > 0 { #expect(isLogarithm(BinaryLogarithm.fixed(x), of: x), "log2(\(x))") }
    }
  }

  /// Larger numbers never have smaller logarithms, so that tables do not depend on the order of candidates.
  @Test func fixedLogarithmsGrow() {
    var last = -1
    for x in 1...10_000 {
      let next = BinaryLogarithm.fixed(x)
      #expect(next >= last)
      last = next
    }
  }

  @Test func approximateLogarithmsAreExactTo30Bits() {
    func check(_ x: Double) {
      let result = BinaryLogarithm.approximate(x), exact = log2(x)
      #expect(result <= exact + 1e-11 && result > exact - 0x1p-30 - 1e-11, "log2(\(x))")
    }
    for exponent in -1074...1023 {
      let power = Double(sign: .plus, exponent: exponent, significand: 1)
      #expect(BinaryLogarithm.approximate(power) == Double(exponent))
      if exponent > -1000 { for factor in [1.0000001, 1.25, 1.5, 1.9999999] { check(power * factor) } }
    }
    var noise = Noise(2)
    for _ in 0..<2000 { check(Double(noise.float().magnitude) + 1e-9) }
    for x in [Double.leastNormalMagnitude, .greatestFiniteMagnitude, 1.nextDown, 1.nextUp] { check(x) }
  }

  @Test func powersAreExactTo28Bits() {
    func check(_ x: Double) {
      let result = BinaryLogarithm.power(x), exact = exp2(x)
      #expect(abs(result / exact - 1) < 0x1p-28, "2^\(x)")
    }
    for exponent in -1022...1023 {
      #expect(BinaryLogarithm.power(Double(exponent)) == Double(sign: .plus, exponent: exponent, significand: 1))
    }
    for step in -4000...4000 { check(Double(step) / 200) }
    for x in [-1000.3, 1000.7, -1e-12, 1e-12, -0.5, 0.5, 0.1.nextDown] { check(x) }
  }

  @Test func powersUndoLogarithms() {
    var noise = Noise(3)
    for _ in 0..<1000 {
      let x = Double(noise.float().magnitude) * 1e6 + 1e-6
      #expect(abs(BinaryLogarithm.power(BinaryLogarithm.approximate(x)) / x - 1) < 0x1p-27)
    }
  }
}
