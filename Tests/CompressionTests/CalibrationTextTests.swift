import Artifacts
import Compression
import Models
import Tensors
import TestSupport
import Testing

/// What a model is calibrated on: texts, chats, its own samples, and what is none of these.
struct CalibrationTextTests {
  let scratch = TestFolder()
  private let tales = Fixtures.path("texts/tinystories.txt")

  private func read(_ change: (inout CalibrationOptions) -> Void) throws -> CalibrationText {
    var options = CalibrationOptions()
    options.window = 64
    change(&options)
    return try CalibrationText(try ModelSource.open(stories), options)
  }

  @Test func aTextGivesAsManyWindowsAsAreWanted() throws {
    let text = try read { ($0.texts, $0.tokens) = ([tales], 1000) }
    #expect(text.tokens == 15 * 64 && text.window == 64 && text.warnings == [])
    #expect(text.sources.map(\.name) == [tales])
  }

  @Test func filesGetFairSharesAndShortOnesGiveWhatTheyHave() throws {
    let short = try scratch.write("short.txt", String(repeating: "One day, a cat saw a dog. ", count: 20))
    let chat = try scratch.write(
      "chats.jsonl", String(repeating: #"{"question": "Who is Lily?", "answer": "A girl."}"# + "\n", count: 400))
    let text = try read { ($0.texts, $0.chats, $0.tokens) = ([tales, short], [chat], 60 * 64) }
    let windows = text.sources.map(\.windows)
    #expect(windows.reduce(0, +) == 60 && windows[1] < 10 && windows[1] > 0 && abs(windows[0] - windows[2]) <= 1)
  }

  @Test func ownSamplesAreMixedInBesideFiles() throws {
    let text = try read { ($0.texts, $0.tokens, $0.ownSamples) = ([tales], 640, 320) }
    #expect(text.sources.map(\.name) == [tales, "own samples"] && text.sources.map(\.windows) == [10, 5])
    #expect(text.tokens == 15 * 64 && text.warnings == [])
  }

  @Test func aModelThatNoGridCanHoldIsSampledAsFloats() throws {
    let large = scratch.path("large")
    try writeStories(to: large) { if $0 == "model.layers.1.mlp.up_proj.weight" { $1[3] = 1e9 } }
    var options = CalibrationOptions()
    (options.window, options.tokens) = (16, 32)
    #expect(try CalibrationText(try .open(large, tokenizer: stories), options).tokens == 32)
    try writeStories(to: scratch.path("broken")) { if $0 == "model.layers.1.mlp.up_proj.weight" { $1[3] = .nan } }
    let error = expectFailure(.badInput) {
      _ = try CalibrationText(try .open(scratch.path("broken"), tokenizer: stories), options)
    }
    #expect(error?.rule == "MODEL-5")
  }

  @Test(
    arguments: [
      #"{"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]}"#,
      #"{"conversations": [{"from": "human", "value": "Hi there"}, {"from": "gpt", "value": "Hello, said the cat."}]}"#,
      #"{"instruction": "Tell a story", "input": "about a dog", "output": "Once there was a dog."}"#,
      #"{"question": "What is 1 + 1?", "answer": "It is 2, said the girl."}"#,
    ])
  func everyCommonFormOfConversationIsRead(line: String) throws {
    let chats = try scratch.write("chats.jsonl", String(repeating: line + "\n\n", count: 100))
    #expect(try read { ($0.chats, $0.tokens) = ([chats], 640) }.tokens == 640)
  }

  @Test(
    arguments: [
      ("{\"question\": \"a\", \"answer\": \"b\"}\n{}\n", "line 2"), ("nonsense\n", "line 1"), ("{\"messages\": []}", "line 1"),
      ("[1, 2]", "line 1"), ("", "empty"), ("\n\nnonsense\n", "line 3"), (" \n\n", "empty"),
    ])
  func whatIsNoConversationIsRefused(content: String, reason: String) throws {
    let path = try scratch.write("chats.jsonl", content)
    let error = expectFailure(.badInput) { _ = try read { $0.chats = [path] } }
    #expect(error?.file == path && error?.message.contains(reason) == true, "\(error.map { "\($0)" } ?? "")")
  }

  @Test func textThatIsTooShortIsUsedAndSaidToBe() throws {
    let path = try scratch.write("short.txt", String(repeating: "One day, a cat saw a dog. ", count: 6))
    let text = try read { $0.texts = [path] }
    #expect(text.tokens >= 32 && text.tokens < 200)
    #expect(text.warnings.count == 1 && text.warnings[0].contains("only \(text.tokens) tokens"))
  }

  @Test(arguments: ["", "Hi", "\u{0}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}"])
  func whatIsNoTextIsRefused(content: String) throws {
    let path = try scratch.write("bad.txt", content)
    let error = expectFailure(.badInput) { _ = try read { $0.texts = [path] } }
    #expect(error?.file == path)
  }

  @Test func binaryFilesAreRefusedAndOddBytesAreMentioned() throws {
    let model = stories + "/model.safetensors"
    #expect(expectFailure(.badInput) { _ = try read { $0.texts = [model] } }?.message.contains("no text in UTF-8") == true)
    var odd = try contents(tales)
    for index in stride(from: 0, to: odd.count, by: 100) { odd[index] = 0xE9 }
    let path = try scratch.write("latin1.txt", odd)
    let text = try read { ($0.texts, $0.tokens) = ([path], 640) }
    #expect(text.warnings.count == 1 && text.warnings[0].contains("is it text in UTF-8?"))
  }

  @Test func aFileThatIsNotThereIsMissing() throws {
    expectFailure(.missingInput) { _ = try read { $0.texts = [scratch.path("none")] } }
    expectFailure(.missingInput) { _ = try read { $0.chats = [scratch.path("none")] } }
  }

  @Test func optionsThatMeanNothingAreMisuse() throws {
    expectFailure(.usage) { _ = try read { $0.window = 513 } }
    expectFailure(.usage) { _ = try read { $0.window = 0 } }
    expectFailure(.usage) { _ = try read { $0.tokens = 3 } }
    expectFailure(.usage) { _ = try read { ($0.file, $0.texts) = ("a", [tales]) } }
    expectFailure(.usage) { _ = try read { $0.ownSamples = 320 } }
    expectFailure(.usage) { _ = try read { ($0.texts, $0.ownSamples) = ([tales], 3) } }
    expectFailure(.usage) { _ = try read { ($0.file, $0.ownSamples) = ("a", 320) } }
  }

  @Test func aTextThatTheModelNeverSawIsMentioned() throws {
    let source = try ModelSource.open(stories)
    let path = try scratch.write(
      "foreign.txt", String(repeating: "Съешь же ещё этих мягких французских булок, да выпей чаю! ", count: 60))
    let foreign = try read { ($0.texts, $0.tokens) = ([path, tales], 640) }
    let warnings = try Calibration.collect(source, foreign).warnings
    #expect(warnings.count == 1 && warnings[0].hasPrefix(path) && warnings[0].contains("bits per byte"), "\(warnings)")
  }
}
