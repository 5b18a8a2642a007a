import Inference
import Kernels
import Tensors
import TestSupport
import Testing

struct BenchmarkTests {
  @Test func statisticsAreThoseOfTheRates() {
    let statistics = RateStatistics([2, 4, 4, 4, 5, 5, 7, 9])
    #expect(statistics.mean == 5 && statistics.best == 9)
    #expect((statistics.deviation - (32.0 / 7).squareRoot()).magnitude < 1e-12)
    let one = RateStatistics([3])
    #expect(one.mean == 3 && one.deviation == 0 && one.best == 3)
    let none = RateStatistics([])
    #expect(none.mean == 0 && none.deviation == 0 && none.best == 0)
  }

  @Test func testsHaveTheNamesOfLlamaBench() {
    let tests = BenchmarkTest.all(prompts: [128, 0, 512, 128], generations: [64], depths: [0, 1024, 0])
    #expect(tests.map(\.name) == ["pp128", "pp512", "tg64", "pp128 @ d1024", "pp512 @ d1024", "tg64 @ d1024"])
    #expect(BenchmarkTest.all(prompts: [0], generations: [0], depths: [5]).isEmpty)
  }

  private let cost = TokenCost(
    layerParameters: 400, headParameters: 100, weightBytes: 2000, isQuantized: true, attentions: [])
  private let ceilings = MachineCeilings(threads: 1, bandwidth: 80_000, peaks: [.int8: 100_000, .f32: 20_000])

  @Test func promptsAreHeldAgainstThePeakOfTheirArithmetic() {
    let result = BenchmarkResult(BenchmarkTest(.prefill, tokens: 1), threads: 1, samples: [30, 50], cost: cost)
    #expect(result.rate.mean == 40 && result.operationsPerToken == 1000 && result.operationsPerSecond == 40_000)
    #expect(result.bytesPerToken == nil && result.bytesPerSecond == nil)
    #expect(result.fraction(of: ceilings) == 0.4)
    let floats = TokenCost(layerParameters: 400, headParameters: 100, weightBytes: 2000, isQuantized: false, attentions: [])
    let other = BenchmarkResult(BenchmarkTest(.prefill, tokens: 1), threads: 1, samples: [5], cost: floats)
    #expect(other.fraction(of: ceilings) == 0.25)
    #expect(other.fraction(of: MachineCeilings(threads: 1, bandwidth: 1, peaks: [:])) == nil)
  }

  @Test func answersAreHeldAgainstTheBandwidth() {
    let result = BenchmarkResult(BenchmarkTest(.decode, tokens: 4), threads: 1, samples: [10, 30], cost: cost)
    #expect(result.bytesPerToken == 2000 && result.bytesPerSecond == 40_000)
    #expect(result.fraction(of: ceilings) == 0.5)
  }

  @Test func everyRepetitionCountsButTheFirst() throws {
    let tests = BenchmarkTest.all(prompts: [5, 3], generations: [2], depths: [7, 0])
    let results = try Benchmark(try Stories.shared.get().model, cache: .f16, repetitions: 2).run(tests)
    #expect(results.map(\.test) == tests)
    for result in results {
      #expect(result.samples.count == 2 && result.samples.allSatisfy { $0 > 0 && $0.isFinite })
      #expect(result.threads == ThreadPool.shared.threads)
    }
  }

  @Test func loadingComesBeforeTheFirstToken() throws {
    let loaded = try TimedModel(path: stories, promptTokens: 0, cache: .f32)
    #expect(0 < loaded.openSeconds && loaded.openSeconds < loaded.loadSeconds)
    #expect(loaded.loadSeconds < loaded.firstTokenSeconds && loaded.promptTokens == 1)
    expectFailure(.missingInput) { _ = try TimedModel(path: stories + "/nope", promptTokens: 1, cache: .f32) }
  }

  @Test func thePeakOfMemoryGrowsWithIt() throws {
    let size = 64 << 20, before = try #require(peakMemory())
    let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 4096)
    block.initializeMemory(as: UInt8.self, repeating: 1, count: size)
    block.deallocate()
    let after = try #require(peakMemory())
    #expect(before > 1 << 20 && after >= before && after >= size)
  }

  @Test(arguments: KernelBenchmark.tokenCounts) func everyProductIsTimed(tokens: Int) throws {
    let model = try Stories.shared.get().model
    let rates = KernelBenchmark(model, cache: .f32, seconds: 0).products(tokens: tokens)
    #expect(rates.map(\.name) == ["attn_q, attn_k, attn_v", "attn_output", "ffn_gate, ffn_up", "ffn_down", "output"])
    #expect(rates.map(\.shape) == [[128, 64], [64, 64], [344, 64], [64, 172], [512, 64]])
    for rate in rates {
      let shape = try #require(rate.shape)
      // Gate and up are two matrices of 172 rows, six blocks each.
      let operations = 2 * shape[0] * shape[1] * tokens, rows = shape[0] == 344 ? 2 * 192 : shape[0]
      let wholeBlocks = (rows + 31) / 32 * 32 * shape[1] * 4
      #expect(rate.seconds > 0 && rate.operations == Double(operations) && rate.format == "f32")
      #expect(rate.bytes == Double(wholeBlocks))
      let bar = MachineCeilings(threads: 1, bandwidth: rate.bytes, peaks: [.f32: rate.operations])
      let fraction = try #require(rate.fraction(of: bar))
      #expect((fraction * rate.seconds - 1).magnitude < 1e-9)
    }
  }

  @Test func attentionIsWhatDepthAdds() throws {
    let model = try Stories.shared.get().model
    let benchmark = KernelBenchmark(model, cache: .int8, seconds: 0),
      rate = benchmark.addedAttention(depth: 300, tokens: 2, seconds: 3)
    #expect(rate.name == "attention" && rate.depth == 300 && rate.tokens == 2 && rate.format == "int8" && rate.seconds == 3)
    let operations = 5 * 4 * 64 * 2 * 300, bytes = 5 * 4 * (8 + 16 + 8) * 300
    #expect(rate.operations == Double(operations), "each of two tokens sees 300 positions more, in 5 layers of 8 x 8")
    #expect(rate.bytes == Double(bytes))
    guard let timed = try benchmark.attention(depth: 300, tokens: 2) else { return }  // it may drown in the rest
    #expect(timed.operations == rate.operations && timed.bytes == rate.bytes && timed.seconds > 0)
  }
}
