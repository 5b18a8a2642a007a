import Inference
import Models
import TestSupport
import Testing
import Tokenizers

/// stories260K from every one of its files.
struct StoriesTests {
  static func open(_ form: String) throws -> ModelSource {
    switch form {
    case "gguf": try .open(gguf: Fixtures.path("stories260K/stories260K-f32.gguf"))
    case "llama2.c": try .open(llama2c: Fixtures.path("stories260K/stories260K.bin"))
    case "llama2.c q8": try .open(llama2c: Fixtures.path("stories260K/stories260K-q8.bin"))
    default: try .open(safetensors: Fixtures.path("stories260K/model.safetensors"))
    }
  }

  private let ids: [Int32] = [1, 403, 407, 261, 378, 432, 383, 285]

  private func logits(_ model: Transformer) throws -> [Float] {
    Array(try Session(model, capacity: ids.count).forward(ids, logits: .all))
  }

  @Test(arguments: ["safetensors", "gguf", "llama2.c"]) func floatFormsGiveTheSameBits(form: String) throws {
    let expected = try logits(try Stories.shared.get().model)
    #expect(expected.count == ids.count * 512)
    #expect(try logits(try Transformer(try Self.open(form))) == expected)
  }

  @Test func eightBitsAreWithinThreePercent() throws {
    let expected = try logits(try Stories.shared.get().model)
    let close = try logits(try Transformer(try Self.open("llama2.c q8")))
    let difference = zip(expected, close).map { abs($0 - $1) }.max() ?? .infinity
    #expect(difference / (expected.map(abs).max() ?? 0) < 0.03)
    #expect(difference > 0)
  }

  @Test(arguments: ["safetensors", "gguf", "llama2.c"]) func greedyTextIsTheRecordedOne(form: String) throws {
    let stories = try Stories(try Self.open(form))
    let recorded = try Stories.generated()
    #expect(recorded.map(\.prompt) == ["Once upon a time", "One day, Tom"])
    for (prompt, text) in recorded {
      var shown = prompt
      let generator = try stories.generator(.greedy(400))
      let report = try generator.generate(stories.tokenizer.encode(prompt)) { piece in
        shown += piece
        return shown.utf8.count < text.utf8.count
      }
      #expect(shown.hasPrefix(text))
      #expect(prompt + report.text == shown)
      #expect(report.ending == .stopped)
    }
  }
}
