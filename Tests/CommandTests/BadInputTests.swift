import Checkpoints
import Kernels
import OrderedCollections
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Bad input ends with one sentence and its exit status, and leaves nothing behind.
struct BadInputTests {
  let scratch = TestFolder()
  private let weight = "model.layers.1.mlp.up_proj.weight"

  @Test(
    arguments: [
      ["import", "nope", "-o", "OUT"], ["inspect", "nope"], ["quantize", "nope", "-o", "OUT", "--scheme", "int8-row"],
      ["export", "nope", "-o", "OUT"], ["verify", "nope"], ["compress", "nope", "-o", "OUT"], ["run", "nope", "-p", "a"],
      ["chat", "nope"], ["eval", "nope", "--text", "x"], ["tokenize", "nope", "a"],
      ["logits", "nope", "--ids", "1", "-o", "OUT"],
      ["run", "STORIES", "-p", "a", "--tokenizer", "nope"], ["eval", "STORIES", "--text", "nope"],
      ["tokenize", "nope.json", "a"], ["bench", "nope"], ["bench", "STORIES", "--compare", "nope"],
    ])
  func whatIsMissingEndsWith66(words: [String]) throws {
    let arguments = words.map {
      $0.hasPrefix("nope") ? scratch.path($0) : $0 == "OUT" ? scratch.path("out") : $0 == "STORIES" ? stories : $0
    }
    let process = try LMToolProcess(arguments: arguments)
    let error = process.readError()
    #expect(process.exitStatus() == 66)
    #expect(error.hasPrefix("lmtool: error: ") && error.split(separator: "\n").count == 1)
    #expect(scratch.names == [])
  }

  @Test(arguments: ["nonsense", "avx512vnni", "i8mm", "reference"]) func theInstructionSetIsTheOneAskedForOrNone(name: String)
    throws
  {
    let process = try LMToolProcess(
      arguments: ["run", stories, "-p", "Once", "--max-tokens", "1", "-q"],
      shell: "LMTOOL_ISA=\(name); export LMTOOL_ISA; \"$0\" \"$@\"")
    let error = process.readError()
    let isThere = InstructionSet.allCases.contains { "\($0)" == name && $0.isAvailable }
    #expect(process.exitStatus() == (isThere ? 0 : 64))
    #expect(
      isThere ? error == "" : error.hasPrefix("lmtool: error: LMTOOL_ISA names \(name), which ") && error.contains("reference"))
  }

  @Test(
    arguments: [
      ("", "the file is empty"), ("Once upon a time", "text file"), ("<!DOCTYPE html><html></html>", "HTML"),
      ("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
      ("\u{89}PNG\r\n\u{1A}\n\u{0}\u{0}", "no model that is known"),
    ])
  func whatIsNoModelEndsWith65(content: String, reason: String) throws {
    let path = try scratch.write("model.bin", content.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
    #expect(try Outcome("import", path, "-o", scratch.path("out")).failed(65, path, reason))
    #expect(try Outcome("inspect", path).failed(65, path, reason))
    #expect(scratch.names == ["model.bin"])
  }

  @Test(arguments: ["stories260K-f32.gguf", "stories260K.bin", "model.safetensors"]) func cutFilesEndWith65(name: String) throws {
    let whole = try contents(stories + "/" + name)
    let folder = scratch.path("model")
    mkdir(folder, 0o755)
    try scratch.write("model/config.json", try contents(stories + "/config.json"))
    for count in [4, 100, whole.count / 2, whole.count - 1] {
      let path = try scratch.write("model/" + name, Array(whole.prefix(count)))
      #expect(try Outcome("import", path, "-o", scratch.path("out")).failed(65, path), "\(count) bytes")
      #expect(try contents(path) == Array(whole.prefix(count)))
      unlink(path)
    }
    #expect(scratch.names == ["model"])
  }

  @Test func contradictionsAndUnknownFamiliesAreNamed() throws {
    try writeStories(to: scratch.path("wide"), config: ["intermediate_size": .int(180)])
    #expect(try Outcome("inspect", scratch.path("wide")).failed(65, "model.layers.0.mlp.gate_proj.weight", "MODEL-4"))
    try writeStories(to: scratch.path("deep"), config: ["num_hidden_layers": .int(6)])
    #expect(try Outcome("inspect", scratch.path("deep")).failed(66, "model.layers.5.", "MODEL-3"))
    try writeStories(to: scratch.path("other"), config: ["model_type": .string("mamba")])
    #expect(try Outcome("inspect", scratch.path("other")).failed(65, "config.json", "mamba", "MODEL-1"))
    try writeStories(to: scratch.path("none"), config: ["vocab_size": .int(0)])
    #expect(try Outcome("inspect", scratch.path("none")).failed(65, "vocab_size", "MODEL-2"))
  }

  @Test(arguments: [["export", "a.lmz"], ["quantize", "q", "--scheme", "int4-g32"], ["compress", "a.lmz"], ["import", "m"]])
  func weightsThatAreNotFiniteAreNamed(words: [String]) throws {  // MODEL-5
    let model = scratch.path("broken")
    try writeStories(to: model) { if $0 == weight { $1[3] = .nan } }
    let process = try LMToolProcess(arguments: [words[0], model, "-o", scratch.path(words[1])] + words.dropFirst(2))
    let error = process.readError()
    #expect(process.exitStatus() == 65)
    #expect(error.contains(model) && error.contains(weight) && error.contains("rule "))
    #expect(scratch.names == ["broken"])
  }

  @Test func logitsThatAreNoNumbersAreRefused() throws {  // MODEL-5
    try writeStories(to: scratch.path("broken")) { if $0 == "model.norm.weight" { $1[3] = .infinity } }
    let outcome = try Outcome("logits", scratch.path("broken"), "--ids", "1 2", "-o", scratch.path("out"))
    #expect(outcome.status == 65 && outcome.error.contains("MODEL-5"))
    #expect(scratch.names == ["broken"])
  }

  /// Weights that are finite one by one, and too large together.
  @Test func aPerplexityThatIsNoNumberIsRefused() throws {
    try writeStories(to: scratch.path("broken")) { name, weights in
      if name == "model.layers.0.input_layernorm.weight" { weights = weights.map { _ in 3e38 } }
    }
    let text = Fixtures.path("texts/tinystories.txt"), broken = scratch.path("broken")
    for models in [[broken, "--tokenizer", stories], [stories, "--against", broken]] {
      let process = try LMToolProcess(arguments: ["eval"] + models + ["--text", text, "--windows", "1", "--json"])
      #expect(process.readOutput() == "")
      #expect(process.readError().hasPrefix("lmtool: error: \(broken): the logits are not finite"))
      #expect(process.exitStatus() == 65)
    }
  }

  @Test func outputsInTheWayAreRefused() throws {
    let file = try scratch.write("taken", [1])
    #expect(try Outcome("import", stories, "-o", file).failed(73, "exists already"))
    #expect(try Outcome("export", stories, "-o", scratch.path).failed(73, scratch.path))
    #expect(try Outcome("export", stories, "-o", scratch.path("no/a.lmz")).failed(73, "does not exist; make it first"))
    #expect(try Outcome("compress", stories, "-o", scratch.path("no/a.lmz")).failed(73, "does not exist; make it first"))
    #expect(try Outcome("logits", stories, "--ids", "1", "-o", scratch.path("no/a")).failed(73, "does not exist"))
    #expect(try Outcome("export", stories, "-o", "").status == 64)
    #expect(try contents(file) == [1])
    #expect(scratch.names == ["taken"])
  }

  @Test func theInputIsNeverTheOutput() throws {
    let whole = try contents(stories + "/stories260K-f32.gguf")
    let path = try scratch.write("model.gguf", whole)
    for arguments in [["export"], ["compress"], ["logits", "--ids", "1"]] {
      let process = try LMToolProcess(arguments: [arguments[0], path, "-o", path] + arguments.dropFirst())
      #expect(process.readError().contains("the output is the input itself"))
      #expect(process.exitStatus() == 64)
    }
    #expect(try contents(path) == whole)
    #expect(scratch.names == ["model.gguf"])
  }

  @Test(
    arguments: [
      ["logits", "--ids", "512", "-o", "/tmp/none"], ["logits", "--ids", "x", "-o", "/tmp/none"],
      ["inspect", "--tensor", "nope"],
      ["quantize", "-o", "/tmp/none", "--scheme", "int3"], ["quantize", "-o", "/tmp/none"],
      ["quantize", "-o", "/tmp/none", "--scheme", "int8-row", "--keep", "nope*"], ["run", "-p", "a", "--ctx-size", "0"],
      ["run", "-p", "a", "--threads", "0"], ["eval", "--text", "STORIES/config.json", "--stride", "0"], ["tokenize"],
      ["compress", "-o", "/tmp/none", "--embedding-scheme", "int8-row"], ["tokenize", "--decode", "512"],
    ])
  func misuseEndsWith64(words: [String]) throws {
    let more = words.dropFirst().map { $0.hasPrefix("STORIES") ? stories + $0.dropFirst(7) : $0 }
    let process = try LMToolProcess(arguments: [words[0], stories] + more)
    #expect(process.readError().hasPrefix("lmtool: error: "))
    #expect(process.exitStatus() == 64)
  }
}
