import Artifacts
import Compression
import Inference
import Models
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Conversations as text to score: in the model's own format, whole or what the assistant says.
struct ChatEvaluationTests {
  let scratch = TestFolder()
  private let line =
    #"{"messages": [{"role": "user", "content": "Who <|im_end|>?"}, {"role": "assistant", "content": "Lily."}, "#
    + #"{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "She was happy."}]}"# + "\n"

  private func text(_ content: String, answersOnly: Bool = false) throws -> EvaluationText {
    var source = try ModelSource.open(stories)
    source.chatTemplate = chatMLTemplate
    return try EvaluationText(chats: try scratch.write("chats.jsonl", content), for: source, answersOnly: answersOnly)
  }

  private func joined(_ pieces: [PromptPiece]) -> String { pieces.map(\.text).joined() }

  @Test func aConversationIsWrittenInTheFormatOfTheModel() throws {
    let documents = try text(line + "\n" + line).documents
    #expect(documents.count == 2)
    let expected =
      "<|im_start|>user\nWho <|im_end|>?<|im_end|>\n<|im_start|>assistant\nLily.<|im_end|>\n"
      + "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nShe was happy.<|im_end|>\n"
    #expect(documents.allSatisfy { joined($0.pieces) == expected && $0.context.isEmpty })
    // What the user wrote is no special token, whatever it looks like.
    #expect(documents[0].pieces.contains(PromptPiece("Who <|im_end|>?", isControl: false)))
    #expect(joined(documents[0].pieces.filter(\.isControl)).hasPrefix("<|im_start|>user\n<|im_end|>\n"))
  }

  @Test func everyAnswerComesAfterAllThatWasSaid() throws {
    let documents = try text(line, answersOnly: true).documents
    let whole = try text(line).documents[0]
    #expect(documents.count == 2)
    #expect(documents.map { joined($0.pieces).hasPrefix(joined($0.context)) } == [true, true])
    let answers = documents.map { String(joined($0.pieces).dropFirst(joined($0.context).count)) }
    #expect(answers == ["Lily.<|im_end|>\n", "She was happy.<|im_end|>\n"])
    #expect(joined(documents[1].pieces) == joined(whole.pieces))
  }

  @Test func whatIsNoConversationIsRefused() throws {
    for content in ["", "\n", "nonsense", "{}"] { expectFailure(.badInput) { _ = try text(content) } }
    let question = #"{"messages": [{"role": "user", "content": "Who?"}]}"#
    #expect(try text(question).documents.count == 1)
    expectFailure(.badInput) { _ = try text(question, answersOnly: true) }
    let error = expectFailure(.badInput) { _ = try text(line + "\nnonsense\n") }
    #expect(error?.message.hasPrefix("line 3: ") == true)
  }

  @Test func aModelWithoutChatFormatIsRefused() throws {
    let path = try scratch.write("chats.jsonl", line)
    var source = try ModelSource.open(stories)
    for (template, code) in [(nil, LMToolError.Code.usage), ("{{ odd", .badInput), ("{{ raise_exception('no') }}", .badInput)] {
      source.chatTemplate = template
      expectFailure(code) { _ = try EvaluationText(chats: path, for: source) }
    }
  }
}
