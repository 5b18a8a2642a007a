import Kernels
import Testing

/// Encoders of k-quants, by what their decoders make of them.
struct GGMLEncoderTests {
  /// Encodes and decodes `floats`, whole blocks.
  private func roundTrip(_ encoder: GGMLEncoder, _ floats: [Float]) -> [Float] {
    let blocks = floats.count / encoder.block.elements
    var bytes = [UInt8](repeating: 0xFF, count: blocks * encoder.block.bytes), result = floats
    bytes.withUnsafeMutableBytes { encoder.encode(floats, blocks: blocks, to: $0.baseAddress!) }
    bytes.withUnsafeBytes { bytes in
      result.withUnsafeMutableBufferPointer {
        GGMLDecoder.large(encoder.block).decode(bytes.baseAddress!, to: $0.baseAddress!, blocks: blocks)
      }
    }
    return result
  }

  /// Numbers that are about normally distributed: sums of twelve uniform ones.
  private func normal(_ count: Int) -> [Float] {
    var state: UInt64 = 7
    func uniform() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 24)
    }
    return (0..<count).map { _ in (0..<12).reduce(Float(-6)) { sum, _ in sum + uniform() } }
  }

  /// ggml's own encoders reach 5.1e-3 and 3.1e-4 on normal numbers.
  @Test(arguments: [(GGMLEncoder.q4_K, 5.2e-3), (.q6_K, 3.1e-4)])
  func theErrorIsThatOfGoodSteps(encoder: GGMLEncoder, most: Double) {
    let floats = normal(64 * 256), result = roundTrip(encoder, floats)
    let error = zip(floats, result).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    #expect(error / floats.reduce(0.0) { $0 + Double($1 * $1) } < most)
  }

  @Test(arguments: GGMLEncoder.allCases) func zerosAndConstantsComeBack(encoder: GGMLEncoder) {
    #expect(roundTrip(encoder, [Float](repeating: 0, count: 512)) == [Float](repeating: 0, count: 512))
    for value in roundTrip(encoder, [Float](repeating: -0.25, count: 256)) { #expect(abs(value + 0.25) < 0.002) }
    for value in roundTrip(encoder, [Float](repeating: 0.25, count: 256)) { #expect(abs(value - 0.25) < 0.002) }
  }

  /// One block after the other: a block does not depend on those beside it.
  @Test(arguments: GGMLEncoder.allCases) func blocksStandAlone(encoder: GGMLEncoder) {
    let floats = normal(3 * 256)
    let apart = (0..<3).flatMap { roundTrip(encoder, Array(floats[$0 * 256..<($0 + 1) * 256])) }
    #expect(roundTrip(encoder, floats) == apart)
  }
}
