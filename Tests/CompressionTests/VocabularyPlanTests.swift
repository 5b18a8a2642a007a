import Compression
import Inference
import Kernels
import Models
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Which tokens are given up.
struct VocabularyPlanTests {
  private func text() throws -> [UInt8] {
    let file = try MappedFile(path: Fixtures.path("texts/tinystories.txt"))
    return file.withBytes(0..<file.count) { Array($0) }
  }

  private func plan(shares: [Double]? = nil) throws -> VocabularyPlan {
    let source = try ModelSource.open(safetensors: stories), tokenizer = try source.makeTokenizer()
    var use = TokenUse(size: 512)
    use.add(tokenizer.encode(bytes: try text(), addSpecial: false))
    return VocabularyPlan(try VocabularyTrimming(source), shares: shares ?? use.shares(), bitsPerWeight: 8)
  }

  @Test func sizesAreKeptToTheToken() throws {
    let plan = try plan()
    #expect(plan.count == 512 && plan.leastCount == 260)
    for size in [260, 300, 411, 512] {
      let model = try plan.trimming.trimmed(keeping: try plan.tokens(size: size))
      #expect(model.spec.vocabularySize == size)
      let (nats, bytes) = plan.estimate(size: size)
      #expect(bytes == Double((512 - size) * (64 + 5)))
      #expect(nats >= 0 && (nats > 0) == (size < 512))
    }
    expectFailure(.usage) { _ = try plan.tokens(size: 259) }
    expectFailure(.usage) { _ = try plan.tokens(size: 513) }
  }

  @Test func aPriceAsksForASize() throws {
    let plan = try plan()
    #expect(plan.size(price: 0) == 512)
    #expect(plan.size(price: 1) == 260)
    let size = plan.size(price: 1e-5)
    #expect(size > 260 && size < 512)
    let (nats, bytes) = plan.estimate(size: size)
    #expect(nats / bytes <= 1e-5)
  }

  @Test func whatTheTextNeedsStays() throws {
    let plan = try plan(), source = plan.trimming.source
    let large = try source.makeTokenizer(), tokens = large.encode(bytes: try text(), addSpecial: false)
    func splits(_ ids: some Sequence<Int32>) throws -> Int {
      let small = try plan.trimming.trimmed(keeping: ids).makeTokenizer()
      let splits = try TokenSplits(of: large, in: small)
      return tokens.count { splits[$0].count > 1 }
    }
    let kept = try plan.tokens(size: 400)
    let naive = (0..<Int32(512)).prefix { plan.trimming.closure(of: 0...$0).count { $0 } <= 400 }
    #expect(try splits(kept) < splits(naive))
  }

  @Test func aShareIsBetweenWhatWasSeenAndWhatWasExpected() throws {
    var use = TokenUse(size: 4)
    for _ in 0..<10_000 { use.add([0, 0, 0, 1]) }
    use.add([2])
    let shares = use.shares(expected: [0.5, 0.4, 0.05, 0.05])
    #expect(use.total == 40_001 && use.counts == [30_000, 10_000, 1, 0])
    #expect(abs(shares[0] - 0.75) < 0.01 && abs(shares[1] - 0.25) < 0.01)
    #expect(shares[2] > 0 && shares[3] > 0 && shares[2] > shares[3])
    #expect(shares[3] < 0.01)
  }

  @Test func expectationsAreTheMeanProbabilities() throws {
    let source = try ModelSource.open(safetensors: stories), model = try Transformer(source)
    let tokens = try source.makeTokenizer().encode(bytes: Array(try text().prefix(1_500)), addSpecial: false)
    let expected = try ExpectedTokens(model, tokens: tokens, window: 100, windows: 2)
    var sums = [Double](repeating: 0, count: 512)
    for start in [0, tokens.count - 100] {
      let session = Session(model, capacity: 100)
      for token in tokens[start..<start + 100] {
        let logits = try session.forward([token])
        var row = Array(logits)
        softmax(&row)
        for (id, probability) in row.enumerated() { sums[id] += Double(probability) / 200 }
      }
    }
    #expect(zip(expected.shares, sums).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(abs(expected.shares.reduce(0, +) - 1) < 1e-4)
    expectFailure(.badInput) { _ = try ExpectedTokens(model, tokens: [1, 2, 3]) }
  }

  private func softmax(_ row: inout [Float]) {
    let most = row.max() ?? 0
    row = row.map { exponential($0 - most) }
    let sum = row.reduce(0, +)
    row = row.map { $0 / sum }
  }
}
