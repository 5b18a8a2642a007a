import Kernels
import Testing

struct HalfTests {
  @Test func everyHalfSurvivesTheRoundTrip() {
    for bits in UInt16.min...UInt16.max {
      let value = halfToFloat(bits)
      if value.isNaN {
        #expect(halfToFloat(floatToHalf(value)).isNaN)
      } else {
        #expect(floatToHalf(value) == bits)
        #expect(value == Float(Float16(bitPattern: bits)))
      }
    }
  }

  @Test func roundingIsToNearestEven() {
    for value: Float in [1.00048828125, 1.00146484375, 65519.99, 65520, 1e-8, 2.98e-8, 6.1e-5, -3.3e-7, 0.1, -1e9] {
      #expect(floatToHalf(value) == Float16(value).bitPattern, "\(value)")
    }
  }

  @Test func longConversionsEqualSingleOnes() {
    let bits = (0..<1003).map { UInt16(truncatingIfNeeded: $0 &* 2_654_435 >> 3) & 0xBBFF }
    var floats = [Float](repeating: 0, count: bits.count)
    bits.withUnsafeBytes { widen(f16: $0.baseAddress!, to: &floats, count: bits.count) }
    #expect(floats == bits.map(halfToFloat))
    var back = [UInt16](repeating: 0, count: bits.count)
    back.withUnsafeMutableBytes { narrow(floats, toF16: $0.baseAddress!, count: bits.count) }
    #expect(back == bits)
  }

  @Test func bfloatRoundsAndKeepsNaN() {
    let values: [Float] = [1, 1.00390625, 1.01171875, -2.5e-30, .infinity, .nan, 3.4e38]
    var bits = [UInt16](repeating: 0, count: values.count)
    bits.withUnsafeMutableBytes { narrow(values, toBF16: $0.baseAddress!, count: values.count) }
    var back = [Float](repeating: 0, count: values.count)
    bits.withUnsafeBytes { widen(bf16: $0.baseAddress!, to: &back, count: values.count) }
    #expect(back[0] == 1 && back[1] == 1 && back[2] == 1.015625 && back[4] == .infinity && back[5].isNaN)
    #expect(back[6] == .infinity)
  }
}
