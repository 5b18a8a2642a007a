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

/// Perplexity and divergence against direct computation.
struct EvaluationTests {
  private func text(_ count: Int) throws -> [UInt8] {
    let file = try MappedFile(path: Fixtures.path("texts/tinystories.txt"))
    return file.withBytes(0..<count) { Array($0) }
  }

  private func evaluation(_ window: Int, stride: Int? = nil, addsBOS: Bool = true) throws -> Evaluation {
    var definition = try Stories.shared.get().tokenizer.definition
    definition.addsBOS = addsBOS
    return try Evaluation(EvaluationOptions(window: window, stride: stride), tokenizer: try Tokenizer(definition))
  }

  /// -log p of each token after the first of `input`, in one context.
  private func losses(_ input: [Int32]) throws -> [Double] {
    let session = Session(try Stories.shared.get().model, capacity: input.count)
    return try zip(input, input.dropFirst()).map { token, next in
      let logits = try session.forward([token]).map(Double.init)
      let most = logits.max() ?? 0
      return most + log(logits.reduce(0) { $0 + exp($1 - most) }) - logits[Int(next)]
    }
  }

  private func expectClose(_ a: Double, _ b: Double, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(abs(a - b) <= 1e-5 * abs(b), "\(a) is not \(b)", sourceLocation: sourceLocation)
  }

  @Test func perplexityIsThatOfTheLogits() throws {
    let stories = try Stories.shared.get()
    let text = try text(500)
    let tokens = stories.tokenizer.encode(bytes: text, addSpecial: false)
    let result = try evaluation(512).score(stories.model, on: EvaluationText(text))
    let losses = try losses([1] + tokens)
    #expect(result.tokens == tokens.count)
    #expect(result.bytes == text.count)
    expectClose(result.perplexity, exp(losses.reduce(0, +) / Double(tokens.count)))
    expectClose(result.bitsPerByte, losses.reduce(0, +) / log(2) / Double(text.count))
    #expect(result.klMean == nil && result.topAgreement == nil)
  }

  @Test func withoutBOSTheFirstTokenIsNotScored() throws {
    let stories = try Stories.shared.get()
    let text = try text(300)
    let tokens = stories.tokenizer.encode(bytes: text, addSpecial: false)
    let result = try evaluation(512, addsBOS: false).score(stories.model, on: EvaluationText(text))
    let losses = try losses(tokens)
    #expect(result.tokens == tokens.count - 1)
    #expect(result.bytes == text.count + 1 - stories.tokenizer.bytes(of: tokens[0]).count)
    expectClose(result.perplexity, exp(losses.reduce(0, +) / Double(losses.count)))
  }

  @Test func windowsThatOverlapScoreEveryTokenInItsContext() throws {
    let stories = try Stories.shared.get()
    let text = try text(400)
    let tokens = stories.tokenizer.encode(bytes: text, addSpecial: false)
    let result = try evaluation(100, stride: 40).score(stories.model, on: EvaluationText(text))
    var expected: [Double] = []
    for start in stride(from: 0, to: tokens.count, by: 40) where expected.count < tokens.count {
      let end = min(start + 99, tokens.count)
      expected += try losses([1] + tokens[start..<end]).suffix(end - expected.count)
    }
    #expect(result.tokens == tokens.count && expected.count == tokens.count)
    #expect(result.bytes == text.count)
    expectClose(result.perplexity, exp(expected.reduce(0, +) / Double(expected.count)))
  }

  @Test func aModelDoesNotDivergeFromItself() throws {
    let model = try Stories.shared.get().model
    let result = try evaluation(128).score(model, on: EvaluationText(try text(600)), against: model)
    #expect(result.klMean == 0 && result.kl99 == 0)
    #expect(result.topAgreement == 1)
    #expect(result.otherPerplexity == result.perplexity)
  }

  @Test func anotherModelDiverges() throws {
    let model = try Stories.shared.get().model
    let other = try Transformer(try .open(llama2c: Fixtures.path("stories260K/stories260K-q8.bin")))
    let result = try evaluation(128).score(other, on: EvaluationText(try text(600)), against: model)
    let mean = try #require(result.klMean), high = try #require(result.kl99), agreement = try #require(result.topAgreement)
    #expect(mean > 0 && mean < 0.01)
    #expect(high > mean)
    #expect(agreement > 0.9 && agreement <= 1)
    #expect(result.otherPerplexity == (try evaluation(128).score(model, on: EvaluationText(try text(600))).perplexity))
  }

  @Test func documentsAreReadByThemselves() throws {
    let stories = try Stories.shared.get()
    let texts = [try text(300), Array("Once upon a time".utf8)]
    let whole = try evaluation(64).score(stories.model, on: EvaluationText(texts.flatMap { EvaluationText($0).documents }))
    let parts = try texts.map { try evaluation(64).score(stories.model, on: EvaluationText($0)) }
    #expect(whole.documents == 2 && parts.allSatisfy { $0.documents == 1 })
    #expect(whole.tokens == parts[0].tokens + parts[1].tokens && whole.bytes == 300 + 16)
    expectClose(whole.bitsPerByte * 316, parts[0].bitsPerByte * 300 + parts[1].bitsPerByte * 16)
  }

  @Test(arguments: [true, false]) func contextIsReadAndNotScored(addsBOS: Bool) throws {
    let stories = try Stories.shared.get()
    let begin = PromptPiece("Once upon a time", isControl: false), end = PromptPiece(" there was a dog.", isControl: false)
    let tokens = stories.tokenizer.encode([begin, end], addSpecial: false)
    let context = stories.tokenizer.encode([begin], addSpecial: false)
    let text = EvaluationText([.init([begin, end], after: [begin])])
    let result = try evaluation(64, addsBOS: addsBOS).score(stories.model, on: text)
    let losses = try losses((addsBOS ? [1] : []) + tokens).suffix(tokens.count - context.count)
    #expect(tokens.starts(with: context) && result.tokens == losses.count)
    #expect(result.bytes == end.text.utf8.count)
    expectClose(result.perplexity, exp(losses.reduce(0, +) / Double(losses.count)))
    let small = try evaluation(5, addsBOS: true).score(stories.model, on: text)
    #expect(small.tokens == losses.count)
  }

  @Test func theNumberOfWindowsIsThatOfAllDocuments() throws {
    let document = EvaluationText(try text(200)).documents[0]
    let options = EvaluationOptions(window: 32, maximumWindows: 5)
    let stories = try Stories.shared.get(), tokens = stories.tokenizer.encode(document.pieces, addSpecial: false).count
    let evaluation = try Evaluation(options, tokenizer: stories.tokenizer)
    let result = try evaluation.score(stories.model, on: EvaluationText([document, document, document]))
    #expect(tokens > 31 && tokens < 5 * 31 - 31)
    #expect(result.documents == 2 && result.tokens == tokens + (5 - (tokens + 30) / 31) * 31)
  }

  @Test func progressEndsAtTheEnd() throws {
    final class Updates: @unchecked Sendable { var all: [ProgressUpdate] = [] }
    let updates = Updates()
    let stories = try Stories.shared.get()
    _ = try evaluation(64).score(stories.model, on: EvaluationText(try text(600))) { updates.all.append($0) }
    #expect(updates.all.count > 2)
    #expect(updates.all.last.map { $0.done == $0.total } == true)
  }

  @Test func aTextTooShortIsRefused() throws {
    let model = try Stories.shared.get().model
    expectFailure(.badInput) { _ = try evaluation(16).score(model, on: EvaluationText([] as [UInt8])) }
    expectFailure(.badInput) { _ = try evaluation(16, addsBOS: false).score(model, on: EvaluationText(Array("a".utf8))) }
    #expect(try evaluation(16).score(model, on: EvaluationText(Array("a".utf8))).tokens == 1)
  }
}
