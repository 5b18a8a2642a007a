import Tensors
import TestSupport
import Testing

/// `compress` weighs the parts of layers against what their bytes win elsewhere.
struct StructureTests {
  let scratch = TestFolder()

  /// Channels of each MLP whose outputs hardly anything reads.
  private static let idle = 40

  private func report(_ source: String, _ more: String..., to name: String) throws -> JSONValue {
    let outcome = try Outcome(
      arguments: [
        "compress", source, "-o", scratch.path(name), "--tokenizer", stories, "--vocab", "all", "--budget", "90kB",
        "--text", Fixtures.path("texts/tinystories.txt"), "--tokens", "8192", "--no-certificate", "--quiet", "--json",
      ] + more)
    #expect(outcome.status == 0, "\(outcome.error)")
    return try #require(outcome.report["report"])
  }

  private func channels(_ report: JSONValue) throws -> (before: Int, after: Int) {
    let part = try #require(report["structure"]?["parts"]?.array?.first { $0["name"]?.string == "channels of MLPs" })
    return (try #require(part["before"]?.int), try #require(part["after"]?.int))
  }

  private func divergence(_ report: JSONValue) throws -> Double {
    try #require(report["quality"]?.array?.first?["divergence"]?.double)
  }

  /// A model with channels that are idle loses them, within the same bytes and nearer to the original; the file is sound.
  @Test func idleChannelsGo() throws {  // PRUNE-13
    let model = scratch.path("model")
    try writeStories(to: model) { name, values in
      guard name.hasSuffix("down_proj.weight") else { return }
      for index in values.indices where index % 172 < Self.idle { values[index] *= 1e-3 }
    }
    let pruned = try report(model, to: "auto.lmz"), whole = try report(model, "--structure", "all", to: "all.lmz")
    let (before, after) = try channels(pruned)
    #expect(before == 5 * 172 && after <= before - 5 * Self.idle && after > before / 2)
    #expect(try channels(whole) == (before, before))
    #expect(try divergence(pruned) < divergence(whole))
    #expect(try #require(pruned["bytes"]?.int) <= 90_000)
    #expect(scratch.names == ["all.lmz", "auto.lmz", "model"], "no work folder is left")
    #expect(try Outcome(arguments: ["verify", scratch.path("auto.lmz"), "--quick"]).status == 0)
  }

  /// Where every channel is worth its bytes, nothing changes.
  @Test func whatIsWorthItsBytesStays() throws {  // PRUNE-13
    let (before, after) = try channels(try report(stories, to: "auto.lmz"))
    #expect(before == after)
  }

  @Test func onlyRateModeWeighsStructure() throws {
    let outcome = try Outcome(
      arguments: ["compress", stories, "-o", scratch.path("a.lmz"), "--budget", "1MB", "--method", "grid", "--structure", "all"])
    #expect(outcome.status == 64 && outcome.error.contains("--structure"))
  }
}
