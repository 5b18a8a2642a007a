import Kernels
import Tensors
import TestSupport
import Testing

/// `prune` as it is called: the same bytes everywhere, its report, and what it refuses.
struct PruneTests {
  let scratch = TestFolder()
  private let text = Fixtures.path("texts/tinystories.txt")

  private func prune(_ name: String, _ arguments: String..., shell: String? = nil) throws -> LMToolProcess {
    let common = ["prune", stories, "-o", scratch.path(name), "--text", text, "--tokens", "512", "--window", "128", "-q"]
    return try LMToolProcess(arguments: common + arguments, shell: shell)
  }

  @Test func threadsAndInstructionSetsChangeNoByte() throws {
    let sets = InstructionSet.allCases.filter(\.isAvailable).map { "\($0)" }
    var weights: [[UInt8]] = []
    for (index, isa) in (sets + sets.suffix(1)).enumerated() {
      let threads = index == sets.count ? "3" : "\(index % 2 + 1)"
      let process = try prune(
        "m\(index)", "--layers", "1", "--mlp", "0.2", "--heads", "0.2", "--sparsity", "0.3", "--threads", threads,
        shell: "LMTOOL_ISA=\(isa); export LMTOOL_ISA; \"$0\" \"$@\"")
      #expect(process.readError() == "")
      #expect(process.exitStatus() == 0)
      weights.append(try contents(scratch.path("m\(index)/model.safetensors")))
    }
    #expect(Set(weights).count == 1)
  }

  @Test func theReportIsAPageAndNumbers() throws {
    let page = scratch.path("report.html"), numbers = scratch.path("report.json")
    for file in [page, numbers] {
      let process = try prune(file == page ? "a" : "b", "--layers", "1", "--mlp", "0.2", "--heads", "0.2", "--report", file)
      #expect(process.readError().isEmpty && process.exitStatus() == 0)
    }
    let markup = Markup(String(decoding: try contents(page), as: UTF8.self))
    #expect(markup.problem == nil && markup.elements.contains("svg"))
    let report = try decodeJSON(JSONValue.self, file: try MappedFile(path: numbers))
    let layers = try #require(report["layers"]?.array)
    #expect(layers.count == 5 && layers.count { $0["new_index"] == nil } == 1)
    #expect(layers.allSatisfy { $0["divergence"]?.double ?? 0 > 0 })
    #expect(report["quality"]?["divergence"]?.double ?? 0 > 0)
  }

  private static let refusals: [(arguments: [String], status: Int32)] = [
    (["--layers", "9"], 64), (["--layers", "all"], 64), (["--layers", "4-2"], 64), (["--mlp", "1.5"], 64),
    (["--vocab", "100"], 64),
    (["--pattern", "2:5"], 64), (["--pattern", "half"], 64), (["--sparsity", "0.5", "--pattern", "2:4"], 64),
    (["--method", "wanda"], 64), (["--target-params", "1000"], 64), ([], 64), (["--mlp", "0.1", "--text", "nope"], 66),
  ]

  @Test(arguments: refusals)
  func whatIsNotPossibleIsRefused(arguments: [String], status: Int32) throws {
    let outcome = try Outcome(arguments: ["prune", stories, "-o", scratch.path("out")] + arguments)
    #expect(outcome.status == status && outcome.error.contains("lmtool: error"), "\(outcome.error)")
    #expect(scratch.names == [])
  }

  @Test func whatDiffersIsSaidAndFilledUp() throws {
    let process = try prune("small", "--mlp", "0.2")
    #expect(process.exitStatus() == 0)
    let small = scratch.path("small")
    let inspection = try Outcome("inspect", small)
    #expect(inspection.status == 0 && inspection.output.contains("mlp_channels, by layer"))
    let plain = try Outcome("export", small, "-o", scratch.path("plain"), "--to", "safetensors")
    #expect(plain.status == 0 && plain.error.contains("--pad"))
    let padded = try Outcome("export", small, "-o", scratch.path("padded"), "--to", "safetensors", "--pad")
    #expect(padded.status == 0 && !padded.error.contains("warning"))
    #expect(
      try Outcome("eval", scratch.path("padded"), "--text", text, "--windows", "1", "--against", small, "--json").report[
        "kl_mean"]?.double ?? 1 < 1e-6)
    let gguf = try Outcome("export", small, "-o", scratch.path("a.gguf"), "--to", "gguf")
    #expect(gguf.status == 0)
    #expect(
      try Outcome("eval", scratch.path("a.gguf"), "--text", text, "--windows", "1", "--against", small, "--json").report[
        "kl_mean"]?.double ?? 1 < 1e-5)
    #expect(try Outcome("export", small, "-o", scratch.path("b.gguf"), "--pad").status == 0)
    #expect(try Outcome("export", small, "-o", scratch.path("c.lmz"), "--pad").status == 64)
  }
}
