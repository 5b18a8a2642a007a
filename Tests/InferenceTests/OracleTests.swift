import Checkpoints
import Inference
import Kernels
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Logits and greedy tokens of tiny random models, computed by `transformers` (fixtures/oracle/make_oracle.py and
/// fixtures/families/make_families.py).
struct OracleTests {
  static let cases =
    ["llama_mha", "llama_gqa_tied", "llama_linear_rope", "llama_bias_headdim", "llama3_rope", "mistral_sliding"].map {
      "oracle/\($0)"
    } + familyCases.map { "families/\($0)" }

  struct Oracle {
    let ids: [[Int32]]
    let logits: [[Float]]
    let greedy: [[Int32]]

    init(_ name: String) throws {
      let file = try SafetensorsFile(path: Fixtures.path("\(name)/oracle.safetensors"))
      func rows(_ key: String) throws -> [[Float]] {
        let tensor = try #require(file.tensors[key])
        let values = try tensor.readAll(), width = values.count / tensor.shape[0]
        return (0..<tensor.shape[0]).map { Array(values[$0 * width..<($0 + 1) * width]) }
      }
      ids = try rows("input_ids").map { $0.map { Int32($0) } }
      logits = try rows("logits")
      greedy = try rows("greedy").map { $0.map { Int32($0) } }
    }
  }

  func model(_ name: String) throws -> Transformer {
    try Transformer(try ModelSource.open(safetensors: Fixtures.path(name)))
  }

  @Test(arguments: cases) func logitsEqualTheReference(name: String) throws {
    let oracle = try Oracle(name), model = try model(name)
    for (ids, expected) in zip(oracle.ids, oracle.logits) {
      let logits = try Session(model, capacity: ids.count).forward(ids, logits: .all)
      let most = expected.map(abs).max()!
      let difference = zip(logits, expected).map { abs($0 - $1) }.max()!
      #expect(logits.count == expected.count)
      #expect(difference / most < 1e-4, "\(name): \(difference / most)")
    }
  }

  @Test(arguments: cases) func greedyTokensEqualTheReference(name: String) throws {
    let oracle = try Oracle(name), model = try model(name)
    for (ids, expected) in zip(oracle.ids, oracle.greedy) {
      let session = Session(model, capacity: ids.count + expected.count)
      var sampler = Sampler(.greedy)
      var token = sampler.sample(try session.forward(ids))
      var tokens = [token]
      while tokens.count < expected.count {
        token = sampler.sample(try session.forward([token]))
        tokens.append(token)
      }
      #expect(tokens == expected)
    }
  }

  @Test(arguments: cases) func oneByOneEqualsAllAtOnce(name: String) throws {
    let ids = try Oracle(name).ids[0], model = try model(name)
    let whole = Array(try Session(model, capacity: ids.count).forward(ids, logits: .all))
    let session = Session(model, capacity: ids.count)
    session.expect(length: ids.count)
    for (index, id) in ids.enumerated() {
      let vocabulary = model.spec.vocabularySize
      #expect(Array(try session.forward([id])) == Array(whole[index * vocabulary..<(index + 1) * vocabulary]))
    }
  }

  /// LongRoPE: a text that grows beyond the original context is that of a long one from its first token on, and back.
  @Test func longRopeFollowsTheLengthOfTheText() throws {
    let model = try model("families/phi3_growing"), ids = try Oracle("families/phi3_growing").ids[0]
    let text = ids + ids.prefix(10), session = Session(model, capacity: 40)
    var last: [Float] = []
    for id in text { last = Array(try session.forward([id])) }
    #expect(last == Array(try Session(model, capacity: 40).forward(text)))
    session.truncate(to: 20)
    #expect(Array(try session.forward([text[20]])) == Array(try Session(model, capacity: 40).forward(text[...20])))
  }

  /// Learned positions end: a session is no longer than the table.
  @Test func sessionsEndWithTheLearnedPositions() throws {
    for name in ["gpt2", "opt"] {
      let session = Session(try model("families/\(name)"), capacity: 1000)
      #expect(session.capacity == 64)
      try session.forward([Int32](repeating: 3, count: 64))
      expectFailure(.usage) { _ = try session.forward([3]) }
    }
  }

  @Test func compactCachesStayClose() throws {
    let ids = try Oracle("oracle/llama_gqa_tied").ids[0], model = try model("oracle/llama_gqa_tied")
    let exact = Array(try Session(model, capacity: ids.count).forward(ids, logits: .all))
    let most = exact.map(abs).max()!
    for (format, budget) in [(CacheFormat.f16, Float(2e-3)), (.int8, 0.03), (.int4, 0.4)] {
      let logits = try Session(model, capacity: ids.count, cache: format).forward(ids, logits: .all)
      #expect(zip(logits, exact).map { abs($0 - $1) }.max()! / most < budget, "\(format)")
    }
  }
}
