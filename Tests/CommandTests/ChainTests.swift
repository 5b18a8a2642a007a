import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// The whole chain by its commands, on the model of the repository.
struct ChainTests {
  let scratch = TestFolder()
  /// What the float model says (fixtures/stories260K/generated.txt), and its int8 form too.
  private let story =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red "
    + "ball. She wanted to play with it, but it was too high.\nLily\n"

  private func done(_ outcome: Outcome) -> Bool { outcome.status == 0 }

  private func tell(_ model: String, _ more: String...) throws -> String {
    let process = try LMToolProcess(
      arguments: ["run", model, "-p", "Once upon a time", "--temperature", "0", "--max-tokens", "60", "--quiet"] + more)
    defer { #expect(process.exitStatus() == 0) }
    return process.readOutput()
  }

  @Test func importQuantizeExportVerifyRun() throws {
    let (model, quantized, artifact) = (scratch.path("model"), scratch.path("quantized"), scratch.path("model.lmz"))
    #expect(done(try Outcome("import", stories + "/stories260K.bin", "-o", model, "--tokenizer", stories + "/tokenizer.model")))
    #expect(done(try Outcome("quantize", model, "-o", quantized, "--scheme", "int8-g32")))
    #expect(done(try Outcome("export", quantized, "-o", artifact)))
    let verdict = try Outcome("verify", artifact, "--budget", "300kB")
    #expect(verdict.status == 0 && verdict.output.hasSuffix("PASS\n"))
    for source in [stories, model, quantized, artifact] { #expect(try tell(source) == story, "\(source)") }
    #expect(scratch.names == ["model", "model.lmz", "quantized"])
  }

  @Test(arguments: ["f16", "int8"]) func compactCachesTellAStoryToo(format: String) throws {
    #expect(try tell(stories, "--kv-type", format).hasPrefix("Once upon a time, there was a little girl named Lily."))
  }

  @Test func theSameSeedGivesTheSameText() throws {
    func text(_ seed: String, threads: String) throws -> String {
      try Outcome(
        "run", stories, "-p", "One day", "--temperature", "1", "--seed", seed, "--max-tokens", "40", "--threads", threads,
        "--quiet"
      ).output
    }
    let first = try text("7", threads: "1")
    #expect(try text("7", threads: "2") == first)
    #expect(try text("8", threads: "1") != first)
  }

  @Test func generationStopsWhereItIsTold() throws {
    #expect(
      try tell(stories, "--stop", "park")
        == "Once upon a time, there was a little girl named Lily. She loved to play outside in the \n")
  }

  @Test func compressMeetsItsBudget() throws {
    let outcome = try Outcome(
      "compress", stories, "-o", scratch.path("a.lmz"), "--budget", "400kB", "--method", "grid", "--json")
    let report = try outcome.report
    #expect(outcome.status == 0)
    #expect(report["choice"]?.string == "int8")
    #expect(report["verification"]?["passed"]?.bool == true)
    #expect(try report["bytes"]?.int == contents(scratch.path("a.lmz")).count)
    #expect(try tell(scratch.path("a.lmz")) == story)
  }

  @Test(arguments: ["60kB", "100kB", "400kB"]) func rateModeMeetsItsBudget(budget: String) throws {
    let path = scratch.path("a.lmz"), most = (Int(budget.dropLast(2)) ?? 0) * 1000
    let outcome = try Outcome("compress", stories, "-o", path, "--budget", budget, "--tokens", "2048", "--json")
    let bytes = try contents(path).count, report = try outcome.report, isCoherent = most > 200_000
    #expect(outcome.status == (isCoherent ? 0 : 1), "\(outcome.error)")
    #expect(report["verification"]?["passed"]?.bool == isCoherent)
    let failed = report["verification"]?["checks"]?.array?.filter { $0["passed"]?.bool == false }.compactMap {
      $0["name"]?.string
    }
    #expect(failed == (isCoherent ? [] : ["coherence"]))
    #expect(report["report"]?["bytes"]?.int == bytes)
    #expect(bytes <= most && (most > 300_000 || bytes > most * 94 / 100), "\(bytes) bytes")
  }

  /// With or without a work folder, on any number of threads: the same bytes.
  @Test func rateModeMakesTheSameBytes() throws {
    let common = ["compress", stories, "--budget", "150kB", "--tokens", "2048", "--quiet"]
    for threads in ["1", "2"] {
      #expect(done(try Outcome(arguments: common + ["-o", scratch.path(threads), "--threads", threads])))
    }
    #expect(done(try Outcome(arguments: common + ["-o", scratch.path("kept"), "--work-dir", scratch.path("work")])))
    #expect(try contents(scratch.path("1")) == contents(scratch.path("2")))
    #expect(try contents(scratch.path("1")) == contents(scratch.path("kept")))
    #expect(!scratch.names.contains("work"))
  }

  @Test func aWorkFolderOfAnotherJobIsRefused() throws {
    let work = scratch.path("work")
    let file = try OutputFolder(path: work)
    let job = try OutputFile(path: file.path(of: "job"))
    try job.write(Array("something else".utf8))
    try job.commit()
    try file.commit()
    let outcome = try Outcome("compress", stories, "-o", scratch.path("a.lmz"), "--budget", "90kB", "--work-dir", work)
    #expect(outcome.failed(64, "belongs to another model"))
  }

  @Test func whatFitsNowhereIsRefusedWithTheLeastSize() throws {
    let grid = try Outcome("compress", stories, "-o", scratch.path("a.lmz"), "--budget", "100kB", "--method", "grid")
    #expect(grid.failed(64, "nothing fits into 100000 bytes"))
    func compress(_ budget: String) throws -> Outcome {
      try Outcome("compress", stories, "-o", scratch.path("a.lmz"), "--budget", budget, "--tokens", "2048", "--no-certificate")
    }
    let outcome = try compress("5kB")
    #expect(outcome.failed(64, "too small"))
    #expect(scratch.names == [])
    let words = outcome.error.split { !$0.isNumber }.compactMap { Int($0) }
    let least = try #require(words.last { $0 > 5000 })
    #expect(done(try compress("\(least)")))
  }

  @Test func bytesDoNotDependOnThreads() throws {
    for threads in ["1", "2"] {
      #expect(
        done(try Outcome("compress", stories, "-o", scratch.path(threads), "--scheme", "int4-g32-min", "--threads", threads)))
    }
    #expect(try contents(scratch.path("1")) == contents(scratch.path("2")))
  }

  @Test func ggufAndSafetensorsAreExported() throws {
    let gguf = scratch.path("model.gguf"), folder = scratch.path("floats")
    #expect(done(try Outcome("export", stories, "-o", gguf)))
    #expect(try tell(gguf) == story)
    #expect(done(try Outcome("export", gguf, "-o", folder, "--to", "safetensors", "--dtype", "f32")))
    #expect(try tell(folder) == story)
  }

  @Test func aFailedVerificationIsTheAnswerNo() throws {
    let path = scratch.path("a.lmz")
    #expect(done(try Outcome("compress", stories, "-o", path)))
    #expect(try Outcome("verify", path, "--budget", "100kB").status == 1)
    var damaged = try contents(path)
    damaged[damaged.count / 2] ^= 1
    let outcome = try Outcome("verify", try scratch.write("damaged.lmz", damaged), "--json")
    #expect(outcome.status == 1)
    #expect(try outcome.report["passed"]?.bool == false)
  }
}
