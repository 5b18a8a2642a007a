import Models
import Testing

struct RotaryTests {
  @Test func llama3KeepsShortWavesAndStretchesLongOnes() throws {
    let plain = RotarySpec(base: 500_000).frequencies(headSize: 64)
    let scaling = RotarySpec.Scaling.llama3(factor: 32, lowFrequency: 1, highFrequency: 4, originalContext: 8192)
    let spec = RotarySpec(base: 500_000, scaling: scaling)
    let scaled = spec.frequencies(headSize: 64)
    #expect(scaled[0] == plain[0])
    #expect(abs(scaled[31] - plain[31] / 32) < 1e-12)
    let divisors = try #require(spec.divisors(headSize: 64))
    #expect(divisors.first == 1 && divisors.last == 32)
    #expect(divisors == divisors.sorted())
  }

  @Test func linearScalingDividesEveryFrequency() {
    let plain = RotarySpec(base: 10000).frequencies(headSize: 16)
    let scaled = RotarySpec(base: 10000, scaling: .linear(factor: 4)).frequencies(headSize: 16)
    #expect(zip(plain, scaled).allSatisfy { $0 / 4 == $1 })
  }
}
