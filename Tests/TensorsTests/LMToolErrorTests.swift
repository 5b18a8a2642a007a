import Tensors
import Testing

/// What errors say, and what the process answers.
struct LMToolErrorTests {
  @Test func exitStatusesAreThoseOfSysexits() {
    let expected: [(LMToolError.Code, Int32)] = [
      (.usage, 64), (.badInput, 65), (.missingInput, 66), (.bug, 70), (.cannotCreate, 73), (.inputOutput, 74),
    ]
    for (code, status) in expected { #expect(code.exitStatus == status) }
  }

  @Test func descriptionNamesFilePlaceAndRule() {
    let error = LMToolError(.badInput, "the count is too large", file: "a.gguf", at: .offset(16), rule: "GGUF-7")
    #expect(error.description == "a.gguf: offset 16: the count is too large (rule GGUF-7)")
    #expect(LMToolError(.usage, "no prompt").description == "no prompt")
    #expect(LMToolError(.badInput, "x", at: .tensor("a\nb")).description == "tensor a\u{FFFD}b: x")
    #expect(LMToolError(.badInput, "x", at: .key("eos")).description == "key eos: x")
  }

  @Test func theFirstFileNamedStays() {
    let error = LMToolError(.badInput, "broken").within(file: "inner").within(file: "outer")
    #expect(error.file == "inner")
  }

  @Test func printableTextCannotSteerATerminal() {
    #expect("a\u{1B}[2Jb\u{7F}\u{9B}\r\n\u{0}".printable == "a\u{FFFD}[2Jb" + String(repeating: "\u{FFFD}", count: 5))
    #expect("größe 模型 😀".printable == "größe 模型 😀")
  }

  @Test func printableTextIsCut() {
    #expect(String(repeating: "x", count: 200).printable == String(repeating: "x", count: 200))
    #expect(String(repeating: "x", count: 201).printable == String(repeating: "x", count: 200) + "…")
  }
}
