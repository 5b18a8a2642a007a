import Kernels
import Quantization
import Tensors
import Testing

/// Weights that lie on a grid already, as those of a dequantized Q4_0, Q4_1 or Q8_0 checkpoint.
struct LosslessTests {
  /// 200 groups of `scale * code + minimum`, each with its own scale and minimum; its codes reach `codes.upperBound`.
  private func groups(codes: ClosedRange<Int>, minimum: Float = 0, storedAsHalf: Bool = false) -> [Float] {
    let noise = gaussians(200 * 34, seed: 11)
    return (0..<200).flatMap { group -> [Float] in
      let scale = halfToFloat(floatToHalf(0.004 * (1 + abs(noise[group * 34]))))
      let offset = halfToFloat(floatToHalf(minimum * (1 + 0.3 * noise[group * 34 + 1])))
      return (0..<32).map { index in
        let spread = Float(codes.count) / 4 * noise[group * 34 + 2 + index] + Float(codes.lowerBound + codes.upperBound) / 2
        let code = index == group % 32 ? codes.upperBound : min(max(Int(spread.rounded()), codes.lowerBound), codes.upperBound)
        let weight = scale * Float(code) + offset
        return storedAsHalf ? halfToFloat(floatToHalf(weight)) : weight
      }
    }
  }

  private func exactGroups(_ weights: [Float], _ name: String) throws -> Int {
    let back = try quantize(weights, [1, weights.count], name).dequantized()
    return (0..<(weights.count / 32)).count { group in
      weights[(group * 32)..<(group * 32 + 32)] == back[(group * 32)..<(group * 32 + 32)]
    }
  }

  @Test func q40WeightsAreKeptBySymmetricGrids() throws {
    let weights = groups(codes: -8...7)
    #expect(try exactGroups(weights, "int4-g32") == 200)
    #expect(try exactGroups(weights, "int8-g32") == 200)
    #expect(try exactGroups(groups(codes: -5...4), "int4-g32") == 200)
  }

  @Test func q40WeightsWithPositiveOutliersAreKeptByANegativeScale() throws {
    #expect(try exactGroups(groups(codes: -8...7).map { -$0 }, "int4-g32") == 200)
  }

  @Test func q41WeightsAreKeptByGridsWithAMinimum() throws {
    for codes in [0...15, 0...12, 0...3] {
      let weights = groups(codes: codes, minimum: -0.03)
      #expect(try exactGroups(weights, "int4-g32-min") == 200)
      #expect(try exactGroups(weights, "int8-g32-min") == 200)
    }
  }

  @Test func q41WeightsThatWereRoundedToF16LoseLessThanAThousandthOfTheirSize() throws {
    let weights = groups(codes: 0...15, minimum: -0.03, storedAsHalf: true)
    #expect(relativeError(weights, try quantize(weights, [1, weights.count], "int4-g32-min")) < 0.0005)
  }

  @Test func q80WeightsAreKeptByInt8() throws {
    #expect(try exactGroups(groups(codes: -127...127), "int8-g32") == 200)
  }
}
