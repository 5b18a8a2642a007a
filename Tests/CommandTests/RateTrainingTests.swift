import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Compression that trains what it compresses, on the model of the repository.
struct RateTrainingTests {
  let scratch = TestFolder()

  private func arguments(_ more: [String], to name: String) -> [String] {
    [
      "compress", stories, "-o", scratch.path(name), "--budget", "110kB", "--tokens", "16384", "--no-certificate", "--quiet",
      "--json",
    ] + more
  }

  private func report(_ more: [String], to name: String) throws -> [String: JSONValue] {
    let outcome = try Outcome(arguments: arguments(more, to: name))
    #expect(outcome.status == 0, "\(outcome.error)")
    return try #require(outcome.report["report"]?.object)
  }

  /// Layers that are left make up for a good part of what was lost, within the same bytes.
  @Test func trainedLayersMakeUpForQuantizedOnes() throws {
    let report = try report(["--train-tokens", "32768", "--train-rate", "1e-3"], to: "a.lmz")
    let before = try #require(report["quality_before_training"]?["divergence"]?.double)
    let after = try #require(report["quality"]?.array?.first?["divergence"]?.double)
    #expect(after < 0.9 * before)
    let stages = try #require(report["training"]?.array)
    #expect(stages.map { $0["layer"]?.int } == [1, 2, 3, 4])
    #expect(stages.allSatisfy { $0["steps"]?.int == 32 })
    #expect(try #require(report["bytes"]?.int) <= 110_000)
  }

  /// Steps that are healed take room, which is kept free.
  @Test func aHealedFileStaysWithinItsBudget() throws {
    let report = try report(["--heal-tokens", "8192"], to: "a.lmz")
    let bytes = try #require(report["bytes"]?.int)
    #expect(bytes <= 110_000 && bytes > 109_000)
    #expect(report["quality_before_healing"]?["divergence"]?.double != nil)
  }

  /// Files to train on come beside the calibration, up to a limit.
  @Test func otherTextIsTrainedOn() throws {
    let text = ["--train-text", Fixtures.path("texts/tinystories.txt"), "--train-limit", "8192"]
    let report = try report(["--train-tokens", "4096"] + text, to: "a.lmz")
    let calibration = try #require(report["calibration_tokens"]?.int)
    let trained = try #require(report["training_tokens"]?.int)
    #expect(calibration == 16384 && trained > calibration + 4096 && trained <= calibration + 8192)
  }

  @Test func tooLittleTextToTrainOnIsRefused() throws {
    let text = scratch.path("short.txt")
    try scratch.write("short.txt", Array("Once upon a time there was a cat.".utf8))
    let outcome = try Outcome(arguments: arguments(["--heal-tokens", "1", "--train-text", text], to: "a.lmz"))
    #expect(outcome.status == 65 && outcome.error.contains("short.txt") && outcome.error.contains("fewer than"))
    #expect(scratch.names == ["short.txt"])
  }

  /// By tokens, not minutes, the same bytes come out whatever the threads and the instruction set.
  @Test func theSameTokensGiveTheSameBytes() throws {
    let training = ["--train-tokens", "2048", "--heal-tokens", "2048"]
    for (name, more) in [("one.lmz", ["--threads", "1"]), ("two.lmz", ["--threads", "2"])] {
      #expect(try Outcome(arguments: arguments(training + more, to: name)).status == 0)
    }
    #expect(try contents(scratch.path("one.lmz")) == contents(scratch.path("two.lmz")))
  }

  /// After each layer the state is kept, and what goes on from it ends where an uninterrupted training does.
  @Test(arguments: ["training-1", "training-3", "healing"]) func aKilledTrainingGoesOnToTheSameBytes(prefix: String) throws {
    let training = ["--train-tokens", "8192", "--heal-tokens", "8192"], work = scratch.path("work")
    let kept = training + ["--work-dir", work]
    let process = try LMToolProcess(arguments: arguments(kept, to: "a.lmz"))
    while !TestFolder.names(in: work).contains(where: { $0.hasPrefix(prefix) && !$0.hasSuffix(".tmp") }) { usleep(200) }
    process.signal(SIGKILL)
    #expect(process.exitStatus() == 1000 + SIGKILL)
    #expect(try Outcome(arguments: arguments(kept, to: "a.lmz")).status == 0)
    #expect(try Outcome(arguments: arguments(training, to: "whole.lmz")).status == 0)
    #expect(try contents(scratch.path("a.lmz")) == contents(scratch.path("whole.lmz")))
    #expect(scratch.names == ["a.lmz", "whole.lmz"])
  }

  @Test(arguments: [
    ["--train", "1", "--train-tokens", "1"], ["--heal", "1", "--heal-tokens", "1"], ["--train", "0"], ["--heal-tokens", "0"],
    ["--train-rate", "1e-3"], ["--train", "nan"], ["--train-text", "a.txt"], ["--train-limit", "9", "--train", "1"],
  ]) func contradictionsAreRefused(training: [String]) throws {
    let outcome = try Outcome(arguments: arguments(training, to: "a.lmz"))
    #expect(outcome.status == 64 && outcome.error.contains("--"))
  }
}
