import Inference
import Kernels
import Models
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Text from a prompt: when it ends, and what stays in the context.
struct GeneratorTests {
  private let prompt = "Once upon a time"

  private func tokens(_ text: String) throws -> [Int32] { try Stories.shared.get().tokenizer.encode(text) }

  @Test func textIsThatOfTheTokens() throws {
    let stories = try Stories.shared.get()
    var shown = ""
    let report = try stories.generator(.greedy(20)).generate(try tokens(prompt)) {
      shown += $0
      return true
    }
    #expect(report.tokens.count == 20 && report.ending == .length)
    #expect(report.text == shown)
    #expect(report.text == String(decoding: report.tokens.flatMap(stories.tokenizer.bytes), as: UTF8.self))
    #expect(report.promptTokens == (try tokens(prompt)).count)
  }

  @Test(arguments: [0, 1, 7]) func theNumberOfTokensIsKept(count: Int) throws {
    let report = try Stories.shared.get().generator(.greedy(count)).generate(try tokens(prompt))
    #expect(report.tokens.count == count && report.ending == .length)
  }

  @Test func anEndTokenEndsAndIsNoPartOfTheText() throws {
    let stories = try Stories.shared.get()
    let all = try stories.generator(.greedy(20)).generate(try tokens(prompt)).tokens
    let end = all[9], place = try #require(all.firstIndex(of: end))
    let report = try stories.generator(.greedy(20), endTokens: [end]).generate(try tokens(prompt))
    #expect(report.ending == .endToken)
    #expect(report.tokens == Array(all[..<place]))
  }

  @Test func aStopStringEnds() throws {
    let stories = try Stories.shared.get()
    var pieces: [String] = []
    let report = try stories.generator(.greedy(100, stops: ["girl named Li"])).generate(try tokens(prompt)) {
      pieces.append($0)
      return true
    }
    #expect(report.ending == .stopString)
    #expect(report.text == ", there was a little ")
    #expect(pieces.joined() == report.text)
  }

  @Test func theConsumerCanStop() throws {
    let report = try Stories.shared.get().generator(.greedy(100)).generate(try tokens(prompt)) { _ in false }
    #expect(report.ending == .stopped && report.tokens.count < 3)
  }

  @Test func aFullContextKeepsItsStartAndGoesOn() throws {
    let stories = try Stories.shared.get()
    for keep in [0, 3, 8] {
      let start = try tokens(prompt)
      let report = try stories.generator(.greedy(60, context: 16, keep: keep)).generate(start)
      #expect(report.tokens.count == 60)
      var history = start
      for token in report.tokens {
        if history.count > 16 { history = Array(history.prefix(keep)) + history.suffix((16 - keep) / 2) }
        #expect(try stories.likeliest(after: history) == token)
        history.append(token)
      }
    }
  }

  @Test func aLongerConversationIsTheSameAsFromTheStart() throws {
    let stories = try Stories.shared.get()
    let generator = try stories.generator(.greedy(12))
    let start = try tokens(prompt)
    let first = try generator.generate(start)
    let conversation = start + first.tokens + stories.tokenizer.encode(" Tom said", addSpecial: false)
    let second = try generator.generate(conversation)
    let fresh = try stories.generator(.greedy(12)).generate(conversation)
    #expect(second.tokens == fresh.tokens)
    #expect(second.promptTokens < fresh.promptTokens)
    let changed = Array(conversation.dropFirst(2))
    #expect(try generator.generate(changed).tokens == stories.generator(.greedy(12)).generate(changed).tokens)
    #expect(try generator.generate(start).tokens == first.tokens)
  }

  @Test func theSeedDecidesTheText() throws {
    func text(_ seed: UInt64) throws -> String {
      var options = GenerationOptions(maximumTokens: 40)
      options.sampling.temperature = 1
      options.sampling.seed = seed
      return try Stories.shared.get().generator(options).generate(try tokens(prompt)).text
    }
    #expect(try text(1) == text(1))
    #expect(try text(1) != text(2))
  }

  @Test func anEmptyPromptIsRefused() throws {
    let generator = try Stories.shared.get().generator(.greedy(5))
    expectFailure(.usage) { _ = try generator.generate([]) }
    #expect(try generator.generate([1]).tokens.count == 5)
  }

  @Test func aPromptBeyondTheContextIsRefusedAtFirst() throws {
    let generator = try Stories.shared.get().generator(.greedy(5, context: 16))
    expectFailure(.usage) { _ = try generator.generate([Int32](repeating: 5, count: 16)) }
    #expect(try generator.generate([Int32](repeating: 5, count: 15)).tokens.count == 5)
  }

  @Test(arguments: [0, 3, 8]) func laterItIsShortenedButItsEndIsSeen(keep: Int) throws {
    let stories = try Stories.shared.get()
    let generator = try stories.generator(.greedy(1, context: 16, keep: keep))
    let start = try tokens(prompt)
    _ = try generator.generate(start)
    let long = start + (0..<30).map { Int32(300 + $0) }
    let seen = Array(long.prefix(keep)) + long.suffix((16 - keep) / 2)
    #expect(try generator.generate(long).tokens == [stories.likeliest(after: seen)])
  }

  @Test func meaninglessOptionsAreRefused() throws {
    let stories = try Stories.shared.get()
    for options in [GenerationOptions.greedy(1, context: 7), .greedy(1, context: 16, keep: 9), .greedy(1, context: 16, keep: -1)]
    {
      expectFailure(.usage) { _ = try stories.generator(options) }
    }
    var options = GenerationOptions()
    options.sampling.topP = 0
    expectFailure(.usage) { _ = try stories.generator(options) }
  }

  @Test func compactCachesGenerateToo() throws {
    var options = GenerationOptions.greedy(20)
    let exact = try Stories.shared.get().generator(options).generate(try tokens(prompt))
    options.cache = .f16
    #expect(try Stories.shared.get().generator(options).generate(try tokens(prompt)).tokens == exact.tokens)
  }
}
