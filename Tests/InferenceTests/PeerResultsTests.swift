import Inference
import Tensors
import TestSupport
import Testing

/// What llama-bench writes, read.
struct PeerResultsTests {
  let scratch = TestFolder()

  private func fixture(_ name: String) throws -> PeerResults { try PeerResults(path: Fixtures.path("llama-bench/\(name)")) }

  @Test func testsOfLlamaCppAreRead() throws {
    let results = try fixture("llama.cpp.json").results
    #expect(results.map(\.test.name) == ["pp8", "tg4", "pp8"], "a prompt and an answer timed together have no counterpart")
    #expect(results.map(\.rate) == [1000, 100, 1600] && results.map(\.threads) == [1, 1, 2])
    #expect(results.map(\.deviation) == [12.5, 1.5, 20])
    #expect(results[0].model == "llama ?B all F32" && results[0].parameters == 260_032)
  }

  @Test func linesAreReadLikeArrays() throws {
    let results = try fixture("llama.cpp.jsonl").results
    #expect(results.map(\.test) == [BenchmarkTest(.prefill, tokens: 8, depth: 16), BenchmarkTest(.decode, tokens: 4)])
    #expect(results.map(\.rate) == [900, 125])
  }

  @Test func testsOfIkLlamaCppAreRead() throws {
    let results = try fixture("ik_llama.cpp.json").results
    #expect(results.map(\.test.name) == ["pp8", "tg4", "tg4 @ d16"])
    #expect(results.map(\.rate) == [1500, 110, 90] && results.allSatisfy { $0.threads == 1 })
  }

  @Test func theBestOfEachTestIsTheBar() throws {
    let peers = try ["llama.cpp.json", "llama.cpp.jsonl", "ik_llama.cpp.json"].map(fixture)
    let cost = TokenCost(layerParameters: 1, headParameters: 1, weightBytes: 1, isQuantized: false, attentions: [])
    func ours(_ phase: BenchmarkTest.Phase, _ tokens: Int, depth: Int = 0, threads: Int = 1) -> BenchmarkResult {
      BenchmarkResult(BenchmarkTest(phase, tokens: tokens, depth: depth), threads: threads, samples: [200, 400], cost: cost)
    }
    let all = [
      ours(.prefill, 8), ours(.prefill, 8, threads: 2), ours(.prefill, 8, threads: 3), ours(.decode, 4), ours(.decode, 5),
      ours(.decode, 4, depth: 16),
    ]
    let comparisons = Comparison.all(all, against: peers)
    let bars: [Double] = [1500, 1600, 125, 90]
    #expect(comparisons.map(\.bar.rate) == bars)
    #expect(comparisons.map(\.ratio) == bars.map { 300 / $0 })
    #expect(comparisons.map(\.bar.file).map { $0.hasSuffix("ik_llama.cpp.json") } == [true, false, false, true])
  }

  @Test(
    arguments: [
      ("", "no test"), (" \n", "no test"), ("[]", "no test"), ("nonsense", "line 1 is not valid JSON"), ("[1]", "test 1"),
      ("| model | t/s |\n| --- | --- |\n", "-o json"), ("[{\"n_prompt\": 8,", "let it finish"), ("{}\n{", "line 2"),
      ("{\"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": 1}", "key n_prompt: test 1: it is missing"),
      ("{\"n_prompt\": 8, \"n_threads\": 1, \"avg_ts\": 1}", "key n_gen"),
      ("{\"n_prompt\": 8, \"n_gen\": 0, \"avg_ts\": 1}", "key n_threads"),
      ("{\"n_prompt\": 8, \"n_gen\": 0, \"n_threads\": 1}", "key avg_ts"),
      ("{\"n_prompt\": 8, \"n_gen\": 0, \"n_threads\": 0, \"avg_ts\": 1}", "key n_threads"),
      ("{\"n_prompt\": -8, \"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": 1}", "key n_prompt"),
      ("{\"n_prompt\": 8.5, \"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": 1}", "key n_prompt"),
      ("{\"n_prompt\": 1e300, \"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": 1}", "key n_prompt"),
      ("{\"n_prompt\": \"8\", \"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": 1}", "it must be a number"),
      ("{\"n_prompt\": 8, \"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": 0}", "key avg_ts"),
      ("{\"n_prompt\": 8, \"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": -1}", "key avg_ts"),
      ("{\"n_prompt\": 8, \"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": nan}", "not valid JSON"),
      ("{\"n_prompt\": 8, \"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": 1, \"n_depth\": -1}", "key n_depth"),
      ("{\"n_prompt\": 8, \"n_gen\": 0, \"n_threads\": 1, \"avg_ts\": 1, \"stddev_ts\": \"x\"}", "key stddev_ts"),
    ])
  func whatIsNoResultIsRefusedByName(content: String, reason: String) throws {
    let path = try scratch.write("peer.json", content)
    let error = try #require(expectFailure(.badInput) { _ = try PeerResults(path: path) })
    #expect(error.file == path && error.description.contains(reason), "\(error)")
  }

  @Test func whatIsMissingIsSaidToBe() {
    expectFailure(.missingInput) { _ = try PeerResults(path: scratch.path("nope.json")) }
  }

  @Test func onlyTheFieldsThatCountAreNeeded() throws {
    let path = try scratch.write("a.json", "{\"n_prompt\": 0, \"n_gen\": 7, \"n_threads\": 3, \"avg_ts\": 12, \"model_type\": 5}")
    let result = try #require(try PeerResults(path: path).results.first)
    #expect(result.test == BenchmarkTest(.decode, tokens: 7) && result.threads == 3 && result.rate == 12)
    #expect(result.deviation == 0 && result.model == "" && result.parameters == nil)
  }
}
