import Tensors
import TestSupport
import Testing
import lmtool

/// `sweep`, on the model of the repository.
struct SweepTests {
  private let scratch = TestFolder()
  private let text = Fixtures.path("texts/tinystories.txt")

  private func sweep(_ words: String...) throws -> Outcome { try sweep(words) }

  private func sweep(_ words: [String]) throws -> Outcome {
    let calibration = ["--tokens", "256", "--window", "64"]
    return try Outcome(arguments: ["sweep", stories, "--eval-text", text, "--eval-windows", "2"] + calibration + words)
  }

  @Test func budgetsGridsAndOtherFilesAreOnOnePage() throws {
    let page = scratch.path("sweep.html"), gguf = stories + "/stories260K-f32.gguf"
    let outcome = try sweep(
      "--budgets", "200kB, 150kB,1kB", "--grid", "--gguf", gguf, "--keep", scratch.path("kept"), "-o", page, "--json")
    let report = try outcome.report, points = try #require(report["points"]?.array)
    #expect(outcome.status == 0 && report["schema"]?.int == 1)
    #expect(outcome.error.contains("warning: 1000 bytes: "))
    #expect(points.map { $0["kind"]?.string } == ["gguf", "grid", "grid", "grid", "grid", "budget", "budget"])
    #expect(report["misses"]?.array?.count == 1)
    for point in points {
      let bytes = try #require(point["bytes"]?.int), quality = try #require(point["quality"]?.array?.first)
      if let budget = point["budget"]?.int { #expect(bytes <= budget) }
      #expect(try #require(quality["divergence"]?.double) < 1)
      #expect(try #require(quality["bits_per_byte_before"]?.double) < 2)
    }
    let float = try #require(points[0]["quality"]?.array?.first)
    #expect(try #require(float["divergence"]?.double) < 1e-6 && float["top_agreement"]?.double == 1)
    #expect(try #require(float["bits_per_byte_after"]?.double) - #require(float["bits_per_byte_before"]?.double) < 1e-6)
    #expect(scratch.names == ["kept", "sweep.html"])
    #expect(TestFolder.names(in: scratch.path("kept")).filter { $0.hasSuffix(".lmz") }.count == 6)
    let html = String(decoding: try contents(page), as: UTF8.self)
    #expect(Markup(html).problem == nil && html.contains("stories260K-f32.gguf"))
  }

  @Test func artifactsGoUnlessTheyAreKept() throws {
    let outcome = try sweep("--budgets", "200kB", "-o", scratch.path("sweep.json"))
    #expect(outcome.status == 0 && outcome.output.contains("lmtool compress"))
    #expect(scratch.names == ["sweep.json"])
  }

  @Test(
    arguments: [
      (["--budgets", "", "-o", "OUT.html"], "--budgets"), (["--budgets", "40MB,", "-o", "OUT.html"], "such as 40MB"),
      (["--budgets", "1MB,1000kB", "-o", "OUT.html"], "named twice"), (["--budgets", "40XB", "-o", "OUT.html"], "such as 40MB"),
      (["--budgets", "40MB", "-o", "OUT.txt"], ".html or .json"), (["--budgets", "1kB", "-o", "OUT.html"], "1000 bytes"),
      (["--budgets", "40MB", "-o", "OUT.html", "--eval-windows", "0"], "--eval-windows"), (["-o", "OUT.html"], "--budgets"),
    ])
  func misuseEndsWith64(words: [String], reason: String) throws {
    let words = words.map { $0.hasPrefix("OUT") ? scratch.path(String($0)) : $0 }
    let outcome = try sweep(words)
    #expect(outcome.status == 64 && outcome.error.contains(reason), "\(outcome.error)")
    #expect(outcome.output == "" && scratch.names == [])
  }

  @Test func withoutATextNothingIsMeasured() throws {
    let outcome = try Outcome("sweep", stories, "--budgets", "400kB", "-o", scratch.path("a.html"))
    #expect(outcome.status == 64 && outcome.error.contains("--eval-text"))
    let empty = try scratch.write("empty.txt", "")
    #expect(
      try Outcome("sweep", stories, "--budgets", "400kB", "-o", scratch.path("a.html"), "--eval-text", empty).failed(
        65, empty, "fewer than 2 tokens"))
    #expect(scratch.names == ["empty.txt"])
  }

  @Test func filesOfAnotherVocabularyAreRefusedBeforeAnyWork() throws {
    let other = Fixtures.path("oracle/llama_mha")
    #expect(
      try sweep("--budgets", "400kB", "--gguf", other, "-o", scratch.path("a.html"), "-q").failed(64, other, "vocabulary"))
    #expect(try sweep("--budgets", "400kB", "--gguf", scratch.path("none.gguf"), "-o", scratch.path("a.html"), "-q").status == 66)
    #expect(scratch.names == [])
  }

  @Test func theInputIsNeverTheOutput() throws {
    let path = try scratch.write("model.gguf", try contents(stories + "/stories260K-f32.gguf"))
    #expect(try Outcome("sweep", path, "--budgets", "1MB", "--eval-text", text, "-o", path).status == 64)
    #expect(scratch.names == ["model.gguf"])
  }

  @Test(arguments: ["a.html", "a.json"]) func compressWritesItsReport(name: String) throws {
    let words = ["compress", stories, "-o", scratch.path("a.lmz"), "--report", scratch.path(name)]
    let rate = ["--budget", "200kB", "--text", text, "--tokens", "512", "--window", "64"]
    #expect(try Outcome(arguments: words + rate).status == 0)
    let report = String(decoding: try contents(scratch.path(name)), as: UTF8.self)
    #expect(report.contains(name == "a.html" ? "200000 bytes" : "\"bits_per_byte_after\""))
    #expect(name == "a.json" || Markup(report).problem == nil)
    #expect(scratch.names == [name, "a.lmz"])
    let refused = try Outcome(arguments: words + ["--scheme", "int8-row"])
    #expect(refused.status == 64 && refused.error.contains("--report"))
  }

  @Test func listsOfBudgetsKeepTheirOrder() throws {
    #expect(try BudgetList(parsing: "80MB, 60MB,1KiB").bytes == [80_000_000, 60_000_000, 1024])
    #expect(try BudgetList(parsing: "123456").bytes == [123_456])
    for text in ["", ",", "1MB,", ",1MB", "1MB;2MB", "1MB,,2MB", "0", "1MB,1000000", "1MB 2MB"] {
      expectFailure(.usage) { _ = try BudgetList(parsing: text) }
    }
  }
}
