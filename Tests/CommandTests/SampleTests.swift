import Tensors
import TestSupport
import Testing

/// `lmtool sample`: the same file for the same seed, which other commands read.
struct SampleTests {
  let scratch = TestFolder()

  private func sample(_ name: String, _ words: String...) throws -> Outcome {
    try Outcome(arguments: ["sample", stories, "--tokens", "640", "--window", "64", "-o", scratch.path(name)] + words)
  }

  @Test func theSameSeedGivesTheSameFile() throws {
    #expect(try sample("a.jsonl", "--threads", "1").status == 0)
    #expect(try sample("b.jsonl", "--threads", "3").status == 0)
    #expect(try sample("c.jsonl", "--seed", "1").status == 0)
    #expect(try contents(scratch.path("a.jsonl")) == contents(scratch.path("b.jsonl")))
    #expect(try contents(scratch.path("a.jsonl")) != contents(scratch.path("c.jsonl")))
  }

  @Test func otherCommandsReadIt() throws {
    let report = try sample("a.jsonl", "--json").report
    #expect(report["tokens"]?.int == 640 && report["conversations"]?.int == 0)
    let lines = String(decoding: try contents(scratch.path("a.jsonl")), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == report["texts"]?.int && lines.allSatisfy { $0.hasPrefix(#"{"text":"#) })
    let outcome = try Outcome(
      "distill", stories, "-o", scratch.path("out"), "--chats", scratch.path("a.jsonl"), "--window", "32", "--max-tokens", "512",
      "--quiet")
    #expect(outcome.status == 0, "\(outcome.error)")
  }

  @Test func misuseIsRefused() throws {
    #expect(try sample("a.jsonl", "--tokens", "3").status == 64)
    #expect(try sample("a.jsonl", "--window", "1000").failed(64, "--window"))
    let questions = try scratch.write("questions.txt", "Who are you?\n")
    #expect(try sample("a.jsonl", "--questions", questions).failed(64, "no chat format"))
    #expect(try sample("a.jsonl", "--questions", scratch.write("none.txt", "\n \n")).failed(65, "no question"))
    #expect(try sample("nowhere/a.jsonl").status == 73)
    #expect(!scratch.names.contains("a.jsonl"))
  }
}
