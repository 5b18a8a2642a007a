import TestSupport
import Testing

/// Help, completions and version: what a user sees first.
struct HelpTests {
  /// A file of `Snapshots`. To accept a change: `LMTOOL --help > Tests/CommandTests/Snapshots/help.txt`.
  private func snapshot(_ name: String) throws -> String {
    let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    return String(decoding: try contents(folder + "/Snapshots/" + name), as: UTF8.self)
  }

  @Test func helpIsTheSnapshot() throws {
    let outcome = try Outcome("--help")
    #expect(outcome.status == 0)
    #expect(outcome.output == (try snapshot("help.txt")))
  }

  @Test(
    arguments: [
      ("import", ["--output", "--dtype", "--tokenizer", "--adapter", "--json", "--threads", "--quiet"]),
      ("compare", ["--tolerance", "--all", "--json"]),
      ("inspect", ["--tensors", "--entropy", "--tensor", "--json"]),
      ("sample", ["--tokens", "--output", "--seed", "--window", "--questions", "--json"]),
      (
        "distill",
        [
          "--teacher", "--output", "--adapter-out", "--answers", "--work-dir", "--max-time", "--max-tokens", "--rate", "--batch",
          "--together", "--recompute", "--temperature", "--cross-entropy", "--lora-rank", "--lora-alpha", "--text", "--chats",
        ]
      ),
      ("quantize", ["--output", "--scheme", "--embedding-scheme", "--keep", "--method", "--calibration"]),
      (
        "prune",
        [
          "--output", "--layers", "--mlp", "--heads", "--vocab", "--width", "--target-params", "--target-bytes", "--sparsity",
          "--pattern", "--method", "--importance", "--uniform", "--pad", "--calibration", "--text", "--report", "--json",
        ]
      ),
      ("calibrate", ["--output", "--text", "--chats", "--tokens", "--own-samples", "--window", "--seed", "--json"]),
      ("export", ["--output", "--to", "--dtype", "--tokenizer", "--original", "--probe", "--no-certificate"]),
      ("verify", ["--budget", "--quick", "--min-grade", "--against", "--key", "--html", "--json"]),
      ("sign", ["--key", "--output", "--make-key"]),
      ("compress", ["--output", "--budget", "--scheme", "--report", "--json"]),
      (
        "sweep",
        [
          "--budgets", "--eval-text", "--eval-windows", "--grid", "--gguf", "--keep", "--output", "--calibration", "--text",
          "--json",
        ]
      ),
      (
        "run",
        [
          "--prompt", "--temperature", "--top-k", "--top-p", "--min-p", "--repeat-penalty", "--seed", "--max-tokens",
          "--ctx-size",
          "--stop", "--keep", "--kv-type",
        ]
      ), ("chat", ["--prompt", "--system", "--template", "--keep", "--ctx-size"]),
      ("eval", ["--text", "--chats", "--answers", "--window", "--stride", "--against", "--json"]),
      (
        "bench",
        ["--prompt", "--generate", "--depth", "--repetitions", "--threads", "--kv-type", "--kernels", "--compare", "--json"]
      ), ("tokenize", ["--ids", "--decode", "--file"]),
      ("logits", ["--ids", "--output", "--kv-type"]),
    ])
  func everyCommandExplainsItsOptionsWithAnExample(command: String, options: [String]) throws {
    let outcome = try Outcome(command, "--help")
    #expect(outcome.status == 0 && outcome.error == "")
    #expect(outcome.output.contains("  lmtool \(command) "), "an example")
    for option in options { #expect(outcome.output.contains(option), "\(option)") }
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func completionsKnowTheCommands(shell: String) throws {
    let outcome = try Outcome("--generate-completion-script", shell)
    #expect(outcome.status == 0)
    for word in ["compress", "quantize", "verify", "embedding-scheme"] { #expect(outcome.output.contains(word), "\(word)") }
  }

  @Test func theVersionIsANumber() throws {
    let outcome = try Outcome("--version")
    #expect(outcome.status == 0)
    #expect(outcome.output.split(separator: ".").count == 3)
  }

  @Test(arguments: [["--help"], ["inspect", "STORIES", "--tensors"], ["run", "STORIES", "--temperature", "0"]])
  func aReaderThatGoesAwayIsNoFailure(words: [String]) throws {
    let process = try LMToolProcess(
      arguments: words.map { $0 == "STORIES" ? stories : $0 }, shell: "(\"$0\" \"$@\"; echo $? >&2) | head -c 1 > /dev/null")
    #expect(process.readError().split(separator: "\n").last == "0")
    #expect(process.exitStatus() == 0)
  }

  @Test(.enabled(if: TestFolder.names(in: "/dev").contains("full")))
  func aFullStandardOutputEndsWith74() throws {
    let process = try LMToolProcess(arguments: ["inspect", stories], shell: "\"$0\" \"$@\" > /dev/full")
    #expect(process.readError() == "lmtool: error: cannot write to standard output: No space left on device\n")
    #expect(process.exitStatus() == 74)
  }
}
