import Compression
import Inference
import Models
import Tensors
import TestSupport
import Testing
import Tokenizers

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A trimmed model against its original, token of the original by token.
struct TrimmedEvaluationTests {
  private func text(_ count: Int) throws -> [UInt8] {
    let file = try MappedFile(path: Fixtures.path("texts/tinystories.txt"))
    return file.withBytes(0..<count) { Array($0) }
  }

  private struct Pair {
    var source: ModelSource
    var trimmed: ModelSource
    var splits: TokenSplits
    var tokenizer: Tokenizer

    init(keeping ids: some Sequence<Int32>) throws {
      source = try .open(safetensors: stories)
      trimmed = try VocabularyTrimming(source).trimmed(keeping: ids)
      tokenizer = try trimmed.makeTokenizer()
      splits = try TokenSplits(of: try source.makeTokenizer(), in: tokenizer)
    }

    func compare(_ text: [UInt8], window: Int, stride: Int? = nil) throws -> EvaluationResult {
      let evaluation = try Evaluation(EvaluationOptions(window: window, stride: stride), tokenizer: tokenizer)
      return try evaluation.score(
        try Transformer(trimmed), on: EvaluationText(text), against: try Transformer(source), splits: splits)
    }
  }

  /// log softmax of the logits after `input`.
  private func distribution(_ source: ModelSource, after input: [Int32]) throws -> [Double] {
    let logits = try Session(try Transformer(source), capacity: input.count).forward(input).map(Double.init)
    let most = logits.max() ?? 0
    let sum = most + log(logits.reduce(0) { $0 + exp($1 - most) })
    return logits.map { $0 - sum }
  }

  /// KL of one token by the definition, from the distributions over whole sequences of pieces.
  private func divergence(_ pair: Pair, after context: [Int32], token: Int32) throws -> (nats: Double, agrees: Bool) {
    let original = try distribution(pair.source, after: context).map { exp($0) }
    var input = context.flatMap { Array(pair.splits[$0]) }, nats = 0.0, agrees = true
    for (depth, piece) in pair.splits[token].enumerated() {
      var induced = [Double](repeating: 0, count: pair.trimmed.spec.vocabularySize)
      for (id, probability) in original.enumerated() {
        let pieces = Array(pair.splits[Int32(id)])
        if pieces.count > depth, pieces.prefix(depth).elementsEqual(pair.splits[token].prefix(depth)) {
          induced[Int(pieces[depth])] += probability
        }
      }
      let total = induced.reduce(0, +), mine = try distribution(pair.trimmed, after: input)
      for (index, probability) in induced.enumerated() where probability > 0 {
        nats += probability / total * (log(probability / total) - mine[index])
      }
      agrees = agrees && induced.firstIndex(of: induced.max() ?? 0) == mine.firstIndex(of: mine.max() ?? 0)
      input.append(piece)
    }
    return (nats, agrees)
  }

  @Test(arguments: [true, false])
  func theDivergenceIsThatOfTheDefinition(hasBOS: Bool) throws {
    var pair = try Pair(keeping: (0..<Int32(512)).filter { $0 % 3 == 0 })
    var definition = pair.splits.large.definition
    definition.addsBOS = hasBOS
    pair.splits = try TokenSplits(of: try Tokenizer(definition), in: pair.tokenizer)
    let text = try text(90), tokens = pair.splits.large.encode(bytes: text, addSpecial: false)
    #expect(tokens.contains { pair.splits[$0].count > 1 })
    let result = try pair.compare(text, window: 20)
    var expected: [(nats: Double, agrees: Bool)] = [], losses: [Double] = []
    for start in stride(from: 0, to: tokens.count, by: hasBOS ? 19 : 20) {
      let window = Array(tokens[start..<min(tokens.count, start + (hasBOS ? 19 : 20))])
      for index in window.indices where hasBOS || index > 0 {
        let context = (hasBOS ? [1] : []) + Array(window[..<index])
        expected.append(try divergence(pair, after: context, token: window[index]))
        losses.append(-(try distribution(pair.source, after: context))[Int(window[index])])
      }
    }
    let mean = expected.reduce(0) { $0 + $1.nats } / Double(expected.count)
    let loss = losses.reduce(0, +) / Double(losses.count)
    #expect(abs((result.klMean ?? 0) - mean) < 1e-4 * mean)
    #expect(result.topAgreement == Double(expected.count { $0.agrees }) / Double(expected.count))
    #expect(abs((result.otherPerplexity ?? 0) - exp(loss)) < 1e-4 * exp(loss))
    let high = expected.map(\.nats).sorted()[min(expected.count - 1, expected.count * 99 / 100)]
    #expect(abs((result.kl99 ?? 0) - high) < 1e-4 * high)
  }

  @Test func aVocabularyThatLosesNothingComparesAsTheSameOne() throws {
    let pair = try Pair(keeping: 0..<512)
    let text = try text(800)
    let other = try Transformer(try .open(llama2c: Fixtures.path("stories260K/stories260K-q8.bin")))
    let evaluation = try Evaluation(EvaluationOptions(window: 64, stride: 40), tokenizer: pair.tokenizer)
    let expected = try evaluation.score(other, on: EvaluationText(text), against: try Transformer(pair.source))
    let result = try evaluation.score(other, on: EvaluationText(text), against: try Transformer(pair.source), splits: pair.splits)
    #expect(result.perplexity == expected.perplexity && result.bitsPerByte == expected.bitsPerByte)
    #expect(result.otherPerplexity == expected.otherPerplexity)
    #expect(result.topAgreement == expected.topAgreement)
    #expect(abs((result.klMean ?? 0) - (expected.klMean ?? 1)) < 1e-7)
    #expect(expected.otherBitsPerByte == nil)
    #expect(result.otherBitsPerByte == (try evaluation.score(try Transformer(pair.source), on: EvaluationText(text))).bitsPerByte)
  }

  @Test func theModelsOwnFiguresAreThoseOfItsOwnTokens() throws {
    let pair = try Pair(keeping: (0..<Int32(512)).filter { $0 % 5 != 0 })
    let text = try text(2_000)
    let result = try pair.compare(text, window: 128)
    let alone = try Evaluation(EvaluationOptions(window: 128), tokenizer: pair.tokenizer).score(
      try Transformer(pair.trimmed), on: EvaluationText(text))
    #expect(result.perplexity == alone.perplexity && result.bitsPerByte == alone.bitsPerByte && result.tokens == alone.tokens)
    let mean = try #require(result.klMean), other = try #require(result.otherBitsPerByte)
    #expect(mean > 0.01 && result.bitsPerByte > other)
  }

  @Test func aWindowThatGrowsBeyondTheContextIsRefused() throws {
    var pair = try Pair(keeping: [])
    pair.trimmed.spec.contextLength = 100
    expectFailure(.usage) { _ = try pair.compare(try text(1_000), window: 64) }
  }
}
