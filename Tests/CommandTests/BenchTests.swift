import Tensors
import TestSupport
import Testing
import lmtool

/// `lmtool bench`: what it prints and what it refuses. How fast it is, no test can say.
struct BenchTests {
  let scratch = TestFolder()
  private let short = ["--prompt", "8", "--generate", "4", "--repetitions", "2", "--threads", "1"]

  private func bench(_ words: String...) throws -> Outcome { try Outcome(arguments: ["bench", stories] + short + words) }

  @Test func tablesNameTheTestsAndTheirCeilings() throws {
    let outcome = try bench()
    #expect(outcome.status == 0 && outcome.error == "")
    let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(lines.contains { $0 == ["parameters", "260032"] })
    #expect(lines.contains { $0.starts(with: ["1", "thread"]) })
    for (test, ceiling) in [("pp8", "f32"), ("tg4", "bandwidth")] {
      let row = try #require(lines.first { $0.first == test })
      #expect(row[1] == "1" && row.last == ceiling, "\(row)")
    }
    #expect(!outcome.output.contains("kernel") && !outcome.output.contains("theirs"))
  }

  @Test func theReportHasExactlyItsKeys() throws {
    let report = try bench("--json").report
    #expect(
      report.keys.sorted() == [
        "format", "kv_type", "load", "machine", "model", "parameters", "peak_memory_bytes", "schema", "tests", "weight_bytes",
      ])
    #expect(report["schema"]?.int == 1 && report["kv_type"]?.string == "f16" && report["parameters"]?.int == 260_032)
    let load = try #require(report["load"]?.object)
    #expect(load.keys.sorted() == ["first_token_prompt", "first_token_seconds", "open_seconds", "seconds", "threads"])
    let machine = try #require(report["machine"]?.array?.first?.object)
    #expect(machine.keys.sorted() == ["bytes_per_second", "instructions", "operations_per_second", "threads"])
    let tests = try #require(report["tests"]?.array)
    #expect(tests.map { $0["test"]?.string } == ["pp8", "tg4"])
    let keys = [
      "best", "ceiling", "depth", "deviation", "fraction", "operations_per_second", "operations_per_token", "phase", "samples",
      "test", "threads", "tokens", "tokens_per_second",
    ]
    #expect(tests[0].object?.keys.filter { $0 != "fraction" }.sorted() == keys.filter { $0 != "fraction" })
    #expect(tests[1].object?.keys.sorted() == (keys + ["bytes_per_second", "bytes_per_token"]).sorted())
  }

  @Test func figuresOfTheReportAgreeWithEachOther() throws {
    let report = try bench("--json", "--depth", "0,5").report, machine = try #require(report["machine"]?.array?.first)
    let tests = try #require(report["tests"]?.array)
    #expect(tests.map { $0["test"]?.string } == ["pp8", "tg4", "pp8 @ d5", "tg4 @ d5"])
    for test in tests {
      func figure(_ key: String) throws -> Double { try #require(test[key]?.double) }
      let samples = try #require(test["samples"]?.array).compactMap(\.double)
      let mean = try figure("tokens_per_second")
      #expect(samples.count == 2 && samples.max() == test["best"]?.double)
      #expect((mean - (samples[0] + samples[1]) / 2).magnitude < 1e-6 * mean)
      if test["phase"]?.string == "decode" {
        let bytes = try figure("bytes_per_token") * mean, bar = try #require(machine["bytes_per_second"]?.double)
        #expect((try figure("fraction") - bytes / bar).magnitude < 1e-6 * bytes / bar)
      } else if let bar = machine["operations_per_second"]?["f32"]?.double {
        let operations = try figure("operations_per_token") * mean
        #expect((try figure("fraction") - operations / bar).magnitude < 1e-6 * operations / bar)
      }
    }
  }

  @Test func everyNumberOfThreadsHasItsRows() throws {
    let report = try bench("--threads", "2,1", "--kernels", "--json").report
    #expect(report["tests"]?.array?.map { $0["threads"]?.int } == [2, 2, 1, 1])
    #expect(report["machine"]?.array?.map { $0["threads"]?.int } == [1, 2])
    let kernels = try #require(report["kernels"]?.array).filter { $0["kernel"]?.string != "attention" }
    #expect(kernels.map { $0["threads"]?.int } == Array(repeating: 2, count: 10) + Array(repeating: 1, count: 10))
    #expect(Set(kernels.map { $0["tokens"]?.int }) == [1, 128])
    #expect(kernels[0]["shape"] == .array([.int(128), .int(64)]) && kernels[0]["ceiling"]?.string == "bandwidth")
  }

  @Test func codesAreHeldAgainstThePeakOfBytes() throws {
    let path = scratch.path("a.lmz")
    #expect(try Outcome("compress", stories, "-o", path, "--scheme", "int8-g32").status == 0)
    let report = try Outcome(arguments: ["bench", path, "--kernels", "--json"] + short).report
    #expect(report["tests"]?.array?.map { $0["ceiling"]?.string } == ["int8", "bandwidth"])
    let kernels = try #require(report["kernels"]?.array).filter { $0["tokens"]?.int == 128 && $0["shape"] != nil }
    #expect(kernels.allSatisfy { $0["ceiling"]?.string == "int8" && $0["format"]?.string == "int8" } && !kernels.isEmpty)
  }

  @Test func kernelsAreATableToo() throws {
    let output = try bench("--kernels").output
    for word in ["attn_q, attn_k, attn_v", "344 x 64", "f32", "bandwidth"] { #expect(output.contains(word), "\(word)") }
  }

  @Test func whatOthersReachedStandsBesideOurs() throws {
    let files = ["llama.cpp.json", "llama.cpp.jsonl", "ik_llama.cpp.json"].map { Fixtures.path("llama-bench/\($0)") }
    let outcome = try bench("--json", "--compare", files[0], "--compare", files[1], "--compare", files[2], "--depth", "0,16")
    #expect(outcome.status == 0 && outcome.error == "", "a tied head that counts twice is no other model")
    let rows = try #require(try outcome.report["comparison"]?.array)
    #expect(rows.map { $0["test"]?.string } == ["pp8", "tg4", "pp8 @ d16", "tg4 @ d16"])
    #expect(rows.map { $0["theirs"]?.double } == [1500, 125, 900, 90])
    #expect(rows.map { $0["file"]?.string } == [files[2], files[1], files[1], files[2]])
    let tests = try #require(try outcome.report["tests"]?.array)
    for (row, test) in zip(rows, tests) {
      let ours = try #require(row["ours"]?.double), theirs = try #require(row["theirs"]?.double)
      #expect(ours == test["tokens_per_second"]?.double)
      #expect((try #require(row["ratio"]?.double) - ours / theirs).magnitude < 1e-6 * ours / theirs)
    }
    #expect(try bench("--compare", files[0]).output.contains("1000"))
  }

  @Test func otherModelsAndOtherTestsAreNoticed() throws {
    let file = Fixtures.path("llama-bench/llama.cpp.json")
    #expect(
      try bench("--compare", file, "--prompt", "9", "--generate", "0").failed(
        64, file, "none of its tests", "--prompt 8 --generate 4 --depth 0 --threads 1,2"))
    let test = "{\"n_prompt\": 8, \"n_gen\": 4, \"n_threads\": 1, \"avg_ts\": 5}"
    #expect(try bench("--compare", scratch.write("both.json", test)).failed(64, "both.json", "together"))
    let other = test.replacing("\"n_gen\": 4", with: "\"n_gen\": 0, \"model_n_params\": 135000000")
    let outcome = try bench("--compare", scratch.write("other.json", other))
    #expect(outcome.status == 0 && outcome.error.contains("warning") && outcome.error.contains("135000000 parameters"))
  }

  @Test func brokenResultsEndWith65() throws {
    let path = try scratch.write("peer.json", "[{\"n_prompt\": 8, \"n_gen\": 0, \"n_threads\": 1}]")
    #expect(try bench("--compare", path).failed(65, path, "key avg_ts", "test 1", "llama-bench -o json"))
  }

  @Test(
    arguments: [
      (["--prompt", "0", "--generate", "0"], "nothing to measure"), (["--prompt", "513"], "pp513 needs a context of 513 tokens"),
      (["--depth", "512"], "lower --prompt"), (["--generate", "-1"], "--generate"), (["--depth", "-1"], "--depth"),
      (["--threads", "0"], "--threads must be from 1 to 1024"), (["--threads", "1,2000"], "2000"),
      (["--threads", "a"], "--threads"),
      (["--prompt", "8,,9"], "--prompt"), (["--prompt", ""], "--prompt"), (["--repetitions", "0"], "--repetitions must be"),
      (["--kv-type", "q8"], "--kv-type"),
    ])
  func misuseEndsWith64(words: [String], reason: String) throws {
    let outcome = try Outcome(arguments: ["bench", stories] + words)
    #expect(outcome.status == 64 && outcome.output == "")
    #expect(outcome.error.hasPrefix("lmtool: error: ") && outcome.error.contains(reason), "\(outcome.error)")
  }

  @Test func defaultsFitTheContextOfTheModel() throws {
    let words = ["bench", Fixtures.path("oracle/llama_mha"), "--repetitions", "1", "--json", "--depth", "60"]
    let tests = try #require(try Outcome(arguments: words).report["tests"]?.array)
    let context = try #require(tests.first?["tokens"]?.int) + 60
    #expect(tests.allSatisfy { ($0["tokens"]?.int ?? 0) + 60 <= context } && tests.count >= 2)
  }

  @Test func listsKeepTheirOrderAndNameEachNumberOnce() {
    #expect(CountList(argument: "512,128,512")?.values == [512, 128])
    #expect(CountList(argument: "7")?.values == [7])
    for text in ["", ",", "1,", "a", "1.5", "1 2", "99999999999999999999"] {
      #expect(CountList(argument: text) == nil, "\(text)")
    }
  }

  @Test(
    arguments: [
      (37.12e9, "37.1 GB/s"), (0, "0 B/s"), (999.4, "999 B/s"), (999.6, "1.00 kB/s"), (1, "1.00 B/s"), (12.4e-6, "12.4 µB/s"),
      (99.96, "100 B/s"), (9.996, "10.0 B/s"), (2e-13, "0.00 nB/s"), (5e18, "5000 PB/s"), (-1500, "-1.50 kB/s"),
    ])
  func quantitiesHaveThreeDigits(value: Double, text: String) { #expect(value.quantity("B/s") == text) }
}
