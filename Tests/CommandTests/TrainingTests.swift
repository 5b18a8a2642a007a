import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Training without a teacher, of low rank, of grids, on answers; and what is refused before it starts.
struct TrainingTests {
  let scratch = TestFolder()
  private let text = ["--text", Fixtures.path("texts/tinystories.txt"), "--window", "64", "--quiet"]

  private func distill(_ words: [String]) throws -> Outcome { try Outcome(arguments: ["distill"] + words) }

  private func looks(_ outcome: Outcome, _ key: String) throws -> [Double] {
    try #require(try outcome.report["looks"]?.array).compactMap { $0.object?[key]?.double }
  }

  private func tensors(_ folder: String) throws -> [String: [Float]] {
    let file = try SafetensorsFile(path: folder + "/model.safetensors")
    return try Dictionary(uniqueKeysWithValues: file.tensors.values.map { ($0.name, try $0.readAll()) })
  }

  @Test func aModelLearnsATextByItself() throws {
    let output = scratch.path("tuned")
    let outcome = try distill([stories, "-o", output, "--max-tokens", "20480", "--rate", "1e-3", "--json"] + text)
    #expect(outcome.status == 0, "\(outcome.error)")
    let found = try looks(outcome, "likelihood")
    #expect(found.count > 2 && found[found.count - 1] < 0.95 * found[0], "\(found)")
    #expect(try outcome.report["best"]?.int != 0)
  }

  /// The adapter, merged by `import`, is the model that was trained (LORA-12).
  @Test func anAdapterIsWhatWasTrained() throws {
    let tuned = scratch.path("tuned"), adapter = scratch.path("adapter"), merged = scratch.path("merged")
    let outcome = try distill(
      [stories, "-o", tuned, "--max-tokens", "10240", "--lora-rank", "4", "--lora-alpha", "12", "--adapter-out", adapter]
        + text + ["--json"])
    #expect(outcome.status == 0, "\(outcome.error)")
    let found = try looks(outcome, "likelihood")
    #expect(found[found.count - 1] < 0.95 * found[0], "\(found)")
    let imported = try Outcome("import", stories, "--adapter", adapter, "-o", merged, "--dtype", "f32", "--quiet")
    #expect(imported.status == 0, "\(imported.error)")
    let one = try tensors(tuned), other = try tensors(merged), before = try tensors(stories)
    #expect(one.keys == other.keys)
    for (name, values) in one {
      let most = zip(values, try #require(other[name])).map { abs($0 - $1) }.max() ?? 1
      #expect(most < 1e-6, "\(name)")
      #expect((values != before[name]) == name.contains("proj"), "\(name)")
    }
  }

  @Test func aQuantizedDirectoryIsHealedWithinItsSize() throws {
    let small = scratch.path("small"), healed = scratch.path("healed")
    for scheme in ["int4-g32-min", "int4-row"] {
      removeTree(small)
      removeTree(healed)
      #expect(try Outcome("quantize", stories, "-o", small, "--scheme", scheme, "--quiet").status == 0)
      let outcome = try distill([small, "--teacher", stories, "-o", healed, "--max-tokens", "10240", "--json"] + text)
      #expect(outcome.status == 0, "\(outcome.error)")
      let found = try looks(outcome, "divergence")
      #expect(found.min() ?? 1 < 0.9 * found[0], "\(scheme): \(found)")
      #expect(try contents(healed + "/model.safetensors").count == contents(small + "/model.safetensors").count)
      #expect(try contents(healed + "/config.json") == contents(small + "/config.json"))
      let one = try SafetensorsFile(path: small + "/model.safetensors")
      let other = try SafetensorsFile(path: healed + "/model.safetensors")
      for (name, tensor) in one.tensors where name.hasSuffix(".codes") {
        #expect(try tensor.readAll() == other.tensors[name]?.readAll(), "\(name)")
      }
      #expect(try Outcome("eval", healed, "--text", Fixtures.path("texts/tinystories.txt"), "--quiet").status == 0)
    }
  }

  @Test func aRateThatDivergesKeepsWhatWasGood() throws {
    let output = scratch.path("out")
    let words = [stories, "-o", output, "--max-tokens", "10240", "--rate", "1e9", "--json"]
    let outcome = try distill(words + text.dropLast())
    #expect(outcome.status == 0 && outcome.error.contains("diverged at step") && outcome.error.contains("--rate"))
    #expect(try outcome.report["diverged"]?.int != nil && outcome.report["best"]?.int == 0)
    #expect(try tensors(output) == tensors(stories))
  }

  @Test func memoryIsPlannedBeforeItIsTaken() throws {
    let output = scratch.path("out")
    let outcome = try distill([stories, "-o", output, "--batch", "65536", "--together", "65536"] + text)
    #expect(outcome.failed(64, "of memory", "are free", "--together 1", "--recompute", "--lora-rank"), "\(outcome.error)")
    let fits = try distill([stories, "-o", output, "--max-tokens", "512", "--recompute", "--together", "1", "--json"] + text)
    #expect(fits.status == 0, "\(fits.error)")
    #expect(try #require(try fits.report["memory"]?.object).keys.contains("activations"))
  }

  /// Layers that are computed twice give the same bits.
  @Test func recomputingChangesNothing() throws {
    for (name, more) in [("a", []), ("b", ["--recompute", "--threads", "1"]), ("c", ["--threads", "3"])] {
      #expect(try distill([stories, "-o", scratch.path(name), "--max-tokens", "2048"] + text + more).status == 0)
    }
    let first = try contents(scratch.path("a") + "/model.safetensors")
    for name in ["b", "c"] { #expect(try contents(scratch.path(name) + "/model.safetensors") == first, "\(name)") }
  }

  @Test func aTeacherOfOtherTokensIsRefusedWithAWayOut() throws {
    let teacher = Fixtures.path("oracle/llama_mha")
    let outcome = try distill([stories, "--teacher", teacher, "-o", scratch.path("out")] + text)
    #expect(outcome.failed(64, "the teacher has 320 tokens and the student 512", "lmtool sample"), "\(outcome.error)")
  }

  @Test func linesThatAreNoConversationAreNamed() throws {
    let good = #"{"instruction": "Who is Lily?", "output": "A girl."}"# + "\n"
    let file = try scratch.write("chats.jsonl", good + good + #"{"from": 3}"# + "\n")
    let words = [stories, "-o", scratch.path("out"), "--chats", file, "--window", "64", "--answers", "--quiet"]
    #expect(try distill(words).failed(65, "chats.jsonl", "line 3", "no conversation of a known form"))
    let empty = try scratch.write("empty.jsonl", "")
    #expect(try distill([stories, "-o", scratch.path("out"), "--chats", empty]).failed(65, "the file is empty"))
    #expect(try distill([stories, "-o", scratch.path("out"), "--answers"] + text).failed(64, "--answers needs --chats"))
  }

  @Test(
    arguments: [
      (["--lora-alpha", "3"], "--lora-alpha needs --lora-rank"), (["--adapter-out", "x"], "--adapter-out needs --lora-rank"),
      (["--cross-entropy", "0.5"], "there is none"), (["--temperature", "2"], "there is none"),
      (["--cross-entropy", "1.5"], "from 0 to 1"), (["--rate", "0"], "--rate"), (["--rate", "nan"], "--rate"),
      (["--batch", "0"], "--batch"), (["--together", "0"], "--together"), (["--interval", "0"], "--interval"),
      (["--max-tokens", "0"], "--max-tokens"), (["--max-time", "-1"], "--max-time"), (["--lora-rank", "0"], "--lora-rank"),
      (["--temperature", "0"], "--temperature"),
    ])
  func misuseEndsWith64(words: [String], reason: String) throws {
    let outcome = try distill([stories, "-o", "out"] + text + words)
    #expect(outcome.status == 64 && outcome.error.contains(reason), "\(outcome.error)")
  }

  @Test func withoutTeacherAndTextThereIsNothingToLearn() throws {
    let outcome = try distill([stories, "-o", scratch.path("out")])
    #expect(outcome.status == 64 && outcome.error.contains("--text or --chats"), "\(outcome.error)")
  }

  @Test func stepsAreMeasured() throws {
    let words = ["bench", stories, "--training", "--batch", "2", "--window", "32", "--repetitions", "2", "--threads", "1"]
    let report = try Outcome(arguments: words + ["--json"]).report
    #expect(
      report.keys.sorted() == ["batch", "format", "machine", "model", "parameters", "schema", "tests", "window"])
    let tests = try #require(report["tests"]?.array)
    #expect(tests.map { $0["test"]?.string } == ["train f32", "train bf16", "distill f32", "distill bf16"])
    #expect(tests.allSatisfy { $0["samples"]?.array?.count == 2 && ($0["tokens_per_second"]?.double ?? 0) > 0 })
    let operations = tests.compactMap { $0["operations_per_token"]?.double }
    #expect(operations.count == 4 && operations[0] == operations[1] && abs(operations[2] - operations[0] * 4 / 3) < 1)
    #expect(try Outcome(arguments: words).output.contains("distill bf16"))
    #expect(try Outcome(arguments: words + ["--kernels"]).status == 64)
    #expect(try Outcome(arguments: words + ["--window", "513"]).failed(64, "context of 512", "--window"))
  }
}
