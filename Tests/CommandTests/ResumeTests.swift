import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A compression that ends before its time, and goes on with its work folder.
struct ResumeTests {
  let scratch = TestFolder()
  private var work: String { scratch.path("work") }

  private func arguments(_ goal: [String], to name: String, isKept: Bool = true) -> [String] {
    ["compress", stories, "-o", scratch.path(name), "--tokens", "2048", "--no-certificate", "--quiet"] + goal
      + (isKept ? ["--work-dir", work] : [])
  }

  /// Starts a compression and kills it when the work folder has a file whose name begins so.
  private func killed(_ goal: [String], at prefix: String) throws {
    let process = try LMToolProcess(arguments: arguments(goal, to: "a.lmz"))
    while !TestFolder.names(in: work).contains(where: { $0.hasPrefix(prefix) && $0.hasSuffix(".matrix") }) { usleep(200) }
    process.signal(SIGKILL)
    #expect(process.exitStatus() == 1000 + SIGKILL)
    #expect(!scratch.names.contains("a.lmz"))
  }

  /// In the first attempt at a budget, and in the second at a KL.
  @Test(
    arguments: [
      (["--budget", "90kB"], "1-model.layers.1"), (["--kl", "0.2"], "1-model.layers.3"), (["--kl", "0.2"], "2-model.layers.1"),
    ])
  func aKilledCompressionGoesOnToTheSameBytes(goal: [String], prefix: String) throws {
    try killed(goal, at: prefix)
    #expect(try Outcome(arguments: arguments(goal, to: "a.lmz")).status == 0)
    #expect(try Outcome(arguments: arguments(goal, to: "whole.lmz", isKept: false)).status == 0)
    #expect(try contents(scratch.path("a.lmz")) == contents(scratch.path("whole.lmz")))
    #expect(scratch.names == ["a.lmz", "whole.lmz"])
  }

  /// What is kept is read, not made again.
  @Test func aDamagedMatrixIsNamed() throws {
    try killed(["--budget", "90kB"], at: "1-model.layers.1")
    let name = try #require(TestFolder.names(in: work).first { $0.hasSuffix(".matrix") })
    let path = work + "/" + name
    var bytes = try contents(path)
    bytes[bytes.count / 2] ^= 1
    unlink(path)
    let file = try #require(fopen(path, "w"))
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
    let outcome = try Outcome(arguments: arguments(["--budget", "90kB"], to: "a.lmz"))
    #expect(outcome.failed(65, name, "a kept matrix is damaged"))
    unlink(path)
    #expect(try Outcome(arguments: arguments(["--budget", "90kB"], to: "a.lmz")).status == 0)
  }

  /// A disk that fills costs nothing of what is done.
  @Test(arguments: [2, 200]) func aFullDiskLosesNothing(blocks: Int) throws {
    let goal = ["--budget", "300kB"]
    let process = try LMToolProcess(
      arguments: arguments(goal, to: "a.lmz"), shell: "trap '' XFSZ; ulimit -f \(blocks); exec \"$0\" \"$@\"")
    #expect(process.readError().contains("File too large"))
    #expect(process.exitStatus() == 74)
    #expect(scratch.names == ["work"])
    #expect(try Outcome(arguments: arguments(goal, to: "a.lmz")).status == 0)
    #expect(scratch.names == ["a.lmz"])
  }
}
