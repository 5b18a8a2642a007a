import Inference
import Kernels
import TestSupport
import Testing

/// Operations and bytes by the shapes of a model.
struct TokenCostTests {
  @Test(arguments: [nil, 1, 3, 7, 8, 100]) func positionsSeenAreThoseOfEveryToken(window: Int?) {
    let cost = TokenCost(
      layerParameters: 0, headParameters: 0, weightBytes: 0, isQuantized: false,
      attentions: [TokenCost.Attention(operations: 1, bytes: 0, window: window)])
    for depth in [0, 1, 5, 8, 20] {
      for tokens in [1, 2, 6, 9] {
        let seen = (depth..<depth + tokens).reduce(0) { $0 + min($1 + 1, window ?? Int.max) }
        let average = cost.operations(in: BenchmarkTest(.prefill, tokens: tokens, depth: depth))
        #expect((average * Double(tokens)).rounded() == Double(seen), "\(tokens) after \(depth)")
      }
    }
  }

  @Test func promptsNeedTheHeadOnceAndAnswersEveryTime() {
    let cost = TokenCost(
      layerParameters: 1000, headParameters: 300, weightBytes: 0, isQuantized: false, attentions: [])
    #expect(cost.operations(in: BenchmarkTest(.prefill, tokens: 10)) == 2 * (1000 + 30))
    #expect(cost.operations(in: BenchmarkTest(.decode, tokens: 10)) == 2 * (1000 + 300))
  }

  @Test func answersReadTheWeightsAndWhatTheySeeOfTheCache() {
    let cost = TokenCost(
      layerParameters: 0, headParameters: 0, weightBytes: 5000, isQuantized: false,
      attentions: [.init(operations: 0, bytes: 8), .init(operations: 0, bytes: 10, window: 2)])
    // Three tokens see 5, 6, 7 positions of the first layer and 2, 2, 2 of the second.
    #expect(cost.bytes(in: BenchmarkTest(.decode, tokens: 3, depth: 4)) == 5000 + 8 * 6 + 10 * 2)
  }

  @Test func theStoryTellerCostsWhatItsShapesSay() throws {
    let model = try Stories.shared.get().model
    let cost = TokenCost(model, cache: .f32)
    #expect(cost.layerParameters == 61440 + 165120)
    #expect(cost.headParameters == 512 * 64)
    #expect(cost.weightBytes == model.weightBytes, "the embedding is the head")
    #expect(!cost.isQuantized)
    // 8 heads of 8 elements; 4 heads in the cache: keys of 8 elements, values padded to 16.
    #expect(cost.attentions == Array(repeating: .init(operations: 4 * 64, bytes: 4 * (8 + 16) * 4), count: 5))
  }
}
