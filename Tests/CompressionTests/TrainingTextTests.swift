import Artifacts
import Compression
import Models
import Tensors
import TestSupport
import Testing
import Tokenizers
import Training

/// What a model learns of texts and conversations.
struct TrainingTextTests {
  let scratch = TestFolder()
  private let chat =
    #"{"messages": [{"role": "user", "content": "Who is she?"}, {"role": "assistant", "content": "Lily."}, "#
    + #"{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "She was happy."}]}"# + "\n"

  private func source(isChat: Bool = true) throws -> ModelSource {
    var source = try ModelSource.open(stories)
    if isChat { source.chatTemplate = chatMLTemplate }
    return source
  }

  private func read(_ content: String, answersOnly: Bool, isChat: Bool = true) throws -> (TrainingText, String) {
    var options = CalibrationOptions()
    options.chats = [try scratch.write("chats.jsonl", content)]
    options.window = 128
    let source = try source(isChat: isChat), text = try TrainingText(source, options, answersOnly: answersOnly)
    let counted = try #require(text.counted), tokens = zip(text.windows.tokens, counted).filter(\.1).map(\.0)
    return (text, String(decoding: try source.makeTokenizer().decode(Array(tokens)), as: UTF8.self))
  }

  @Test func ofConversationsOnlyAnswersAreLearned() throws {
    let (text, learned) = try read(String(repeating: chat, count: 8), answersOnly: true)
    #expect(text.window == 128 && text.learned < text.tokens / 2)
    // As many as windows have not cut, and of those that are cut nothing but parts of answers.
    #expect(learned.hasPrefix("Lily.<|im_end|>\nShe was happy.<|im_end|>\nLily."), "\(learned)")
    #expect(!learned.contains("Who") && !learned.contains("Why") && !learned.contains("user"))
  }

  @Test func withoutAnswersOnlyAllIsLearnedButWhatFillsTheLastWindow() throws {
    let (text, learned) = try read(String(repeating: chat, count: 8), answersOnly: false)
    #expect(learned.contains("Who is she?") && learned.contains("Lily.") && text.learned > text.tokens / 2)
  }

  @Test func everyFormOfExampleIsRead() throws {
    let forms = [
      #"{"instruction": "Say it.", "input": "Loud.", "output": "Lily."}"#, #"{"question": "Who?", "answer": "Lily."}"#,
      #"{"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Lily."}]}"#,
    ]
    for form in forms {
      let (_, learned) = try read(String(repeating: form + "\n", count: 20), answersOnly: true)
      #expect(learned.hasPrefix("Lily.<|im_end|>\nLily."), "\(form): \(learned)")
    }
    let (_, learned) = try read(String(repeating: #"{"text": "Once upon a time."}"# + "\n", count: 60), answersOnly: true)
    #expect(learned.contains("Once upon a time."))
  }

  @Test func aModelWithoutChatFormatLearnsWhereAnswersEnd() throws {
    let form = #"{"instruction": "Who is Lily?", "output": "A girl."}"# + "\n"
    let (text, _) = try read(String(repeating: form, count: 40), answersOnly: true, isChat: false)
    let end = try #require(try source().endTokens.min()), counted = try #require(text.counted)
    #expect(zip(text.windows.tokens, counted).contains { $0 == end && $1 })
    #expect(text.warnings.count == 1)
  }

  @Test func tooLittleIsRefused() throws {
    expectFailure(.badInput) { _ = try read(#"{"question": "Q", "answer": "A"}"#, answersOnly: true) }
    expectFailure(.usage) { _ = try TrainingText(try source(), CalibrationOptions(), answersOnly: true) }
  }

  /// Windows count what they are to predict, and no other token moves anything.
  @Test func onlyAnswersMoveTheLoss() throws {
    let (text, _) = try read(String(repeating: chat, count: 16), answersOnly: true)
    var options = DistillingOptions()
    options.plan = .everything
    options.maximumTokens = 1
    let all = try Distilling(
      student: try source(), teacher: nil, text: TrainingText(windows: text.windows, counted: nil), options, output: "out")
    let some = try Distilling(student: try source(), teacher: nil, text: text, options, output: "out")
    try all.run()
    try some.run()
    #expect(abs(all.looks[0].likelihood - some.looks[0].likelihood) > 0.01)
  }

  @Test func tokensThatTheModelDoesNotHaveAreRefused() throws {
    for token in [Int32(512), -1] {
      let text = TrainingText(windows: TokenWindows(Array(repeating: 3, count: 63) + [token], length: 16), counted: nil)
      let error = expectFailure(.badInput) {
        _ = try Distilling(student: try source(), teacher: nil, text: text, DistillingOptions(), output: "out")
      }
      #expect(error?.message.contains("the token \(token)") == true)
    }
  }

  @Test func memoryIsRefusedByThePlan() throws {
    var options = DistillingOptions()
    options.plan = .everything
    let plan = TrainingMemory(student: try source(), teacher: try source(), window: 128, options)
    #expect(plan.teacher == 4 * 260_032 && plan.student == plan.teacher && plan.optimizer == 4 * plan.student)
    try plan.check(available: plan.total, options)
    try plan.check(available: nil, options)
    let error = expectFailure(.usage) { try plan.check(available: plan.total - 1, options) }
    #expect(error?.message.contains("--together 1") == true && error?.message.contains("--recompute") == true)
    options.recomputes = true
    #expect(TrainingMemory(student: try source(), teacher: nil, window: 128, options).activations < plan.activations)
  }
}
