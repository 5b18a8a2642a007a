import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Training of the model of the repository towards itself.
struct DistillTests {
  let scratch = TestFolder()
  private let text = ["--text", Fixtures.path("texts/tinystories.txt"), "--window", "64", "--quiet"]

  private func compressed() throws -> String {
    let path = scratch.path("small.lmz")
    let arguments = ["compress", stories, "-o", path, "--budget", "90kB", "--tokens", "2048", "--no-certificate", "--quiet"]
    try #require(try Outcome(arguments: arguments).status == 0)
    return path
  }

  private func divergences(_ outcome: Outcome) throws -> [Double] {
    try #require(try outcome.report["looks"]?.array).compactMap { $0.object?["divergence"]?.double }
  }

  @Test func anArtifactIsHealed() throws {
    let small = try compressed(), healed = scratch.path("healed.lmz")
    let outcome = try Outcome(
      arguments: ["distill", small, "--teacher", stories, "-o", healed, "--max-tokens", "20480", "--json"] + text)
    #expect(outcome.status == 0, "\(outcome.error)")
    let looks = try divergences(outcome)
    #expect(looks.count > 2 && looks[looks.count - 1] < 0.9 * looks[0], "\(looks)")
    #expect(try Outcome("verify", healed, "--quick").status == 0)
    #expect(try Outcome("verify", healed, "--json").report["quality"]?["fidelity"] != nil, "beside its teacher")
    #expect(try contents(healed).count < contents(small).count + 4000 + 6200)
  }

  /// Killed in the middle, with its work folder it ends with the same bytes.
  @Test func aKilledTrainingGoesOn() throws {
    let small = try compressed(), work = scratch.path("work")
    func arguments(_ name: String, _ more: [String]) -> [String] {
      ["distill", small, "--teacher", stories, "-o", scratch.path(name), "--max-tokens", "15360", "--interval", "10"] + text
        + more
    }
    #expect(try Outcome(arguments: arguments("whole.lmz", [])).status == 0)
    let process = try LMToolProcess(arguments: arguments("a.lmz", ["--work-dir", work]))
    while !TestFolder.names(in: work).contains(where: { $0.hasPrefix("step-") && $0.hasSuffix(".safetensors") }) { usleep(500) }
    process.signal(SIGKILL)
    #expect(process.exitStatus() == 1000 + SIGKILL)
    #expect(try Outcome(arguments: arguments("a.lmz", ["--work-dir", work])).status == 0)
    #expect(try contents(scratch.path("a.lmz")) == contents(scratch.path("whole.lmz")))
    #expect(!scratch.names.contains("work"))
  }

  @Test func aStudentIsTaught() throws {
    let student = scratch.path("student"), taught = scratch.path("taught")
    try writeStories(to: student) { name, values in
      if name.contains("mlp") { for index in values.indices where index % 3 == 0 { values[index] = 0 } }
    }
    for name in ["tokenizer.model"] { try scratch.write("student/" + name, try contents(stories + "/" + name)) }
    let outcome = try Outcome(
      arguments: ["distill", student, "--teacher", stories, "-o", taught, "--max-tokens", "20480", "--rate", "1e-3", "--json"]
        + text)
    #expect(outcome.status == 0, "\(outcome.error)")
    let looks = try divergences(outcome)
    #expect(looks.count > 2 && looks[looks.count - 1] < 0.7 * looks[0], "\(looks)")
    #expect(try Outcome("inspect", taught).status == 0)
  }

  @Test func aTeacherOfAnotherVocabularyIsRefused() throws {
    let other = Fixtures.path("oracle/llama_mha")
    let outcome = try Outcome(
      arguments: ["distill", other, "--teacher", stories, "-o", scratch.path("a"), "--max-tokens", "64"] + text)
    #expect(outcome.failed(64, "512", "320"))
    #expect(scratch.names == [])
  }
}
