import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// What commands print for people and machines.
struct ReportTests {
  let scratch = TestFolder()
  private let text = Fixtures.path("texts/tinystories.txt")

  @Test func evalHasExactlyItsKeys() throws {
    let alone = try Outcome("eval", stories, "--text", text, "--windows", "2", "--json").report
    #expect(alone.keys.sorted() == ["bits_per_byte", "bytes", "perplexity", "schema", "tokens"])
    #expect(try #require(alone["perplexity"]?.double) < 5)
    let model = stories + "/stories260K-q8.bin"
    let compared = try Outcome(
      "eval", model, "--tokenizer", stories, "--text", text, "--windows", "2", "--against", stories, "--json"
    ).report
    #expect(
      compared.keys.sorted() == [
        "bits_per_byte", "bytes", "kl_mean", "kl_p99", "perplexity", "perplexity_against", "schema", "tokens", "top1_agreement",
      ])
    #expect(compared["perplexity_against"] == alone["perplexity"])
    #expect(try #require(compared["top1_agreement"]?.double) > 0.9)
    #expect(try #require(compared["kl_mean"]?.double) < 0.01)
  }

  @Test func aModelAgreesWithItself() throws {
    let report = try Outcome("eval", stories, "--text", text, "--windows", "2", "--against", stories, "--json").report
    #expect(report["top1_agreement"]?.double == 1)
    #expect(try #require(report["kl_mean"]?.double) < 1e-9)
  }

  @Test func evalOfChatsSaysHowManyThereAre() throws {
    let model = scratch.path("chat")
    try writeStories(to: model)
    try scratch.write("chat/chat_template.jinja", chatMLTemplate)
    let line =
      #"{"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "A cat."}, "#
      + #"{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "It was sad."}]}"# + "\n"
    let chats = try scratch.write("chats.jsonl", line + "\n" + line)
    let common = ["eval", model, "--tokenizer", stories, "--chats", chats, "--against", stories + "/stories260K-q8.bin"]
    let whole = try Outcome(arguments: common + ["--json"]).report
    let answers = try Outcome(arguments: common + ["--answers", "--json"]).report
    #expect(whole["conversations"]?.int == 2 && whole["answers"] == nil)
    #expect(answers["answers"]?.int == 4 && answers["conversations"] == nil)
    #expect(try #require(answers["tokens"]?.int) < #require(whole["tokens"]?.int))
    #expect(try #require(answers["kl_mean"]?.double) > 0)
    #expect(try Outcome(arguments: common + ["--answers"]).output.contains("answers"))
  }

  @Test func chatsThatCannotBeScoredAreRefused() throws {
    let model = scratch.path("chat")
    try writeStories(to: model)
    try scratch.write("chat/chat_template.jinja", chatMLTemplate)
    func outcome(_ content: String, _ more: String...) throws -> Outcome {
      let chats = try scratch.write("chats.jsonl", content)
      return try Outcome(arguments: ["eval", model, "--tokenizer", stories, "--chats", chats] + more)
    }
    #expect(try outcome("").failed(65, "chats.jsonl", "empty"))
    #expect(try outcome("Once upon a time\n").failed(65, "chats.jsonl", "line 1"))
    #expect(try outcome("{\"text\": \"Once upon a time\"}\n").failed(65, "chats.jsonl", "line 1", "no conversation"))
    let question = #"{"messages": [{"role": "user", "content": "Who?"}]}"#
    #expect(try outcome(question).status == 0)
    #expect(try outcome(question, "--answers").failed(65, "chats.jsonl", "assistant"))
    #expect(try outcome(question, "--text", text).status == 64)
    #expect(try Outcome("eval", stories).status == 64)
    #expect(try Outcome("eval", stories, "--text", text, "--answers").status == 64)
    let chats = try scratch.write("chats.jsonl", question)
    #expect(try Outcome("eval", stories, "--chats", chats).failed(64, "no chat template"))
    #expect(try Outcome("eval", model, "--tokenizer", stories, "--chats", scratch.path("none")).failed(66, "none"))
    try scratch.write("chat/chat_template.jinja", "{{ odd")
    #expect(try outcome(question).failed(65, "line 1", "TPL-2"))
  }

  @Test func windowsLongerThanTheContextAreMisuse() throws {
    #expect(try Outcome("eval", stories, "--text", text, "--window", "99999999").failed(64, "--window must be at most 512"))
  }

  @Test func tokenizeShowsIdsAndText() throws {
    #expect(try Outcome("tokenize", stories, "Once upon a time", "--ids").output == "1 403 407 261 378\n")
    #expect(
      try Outcome("tokenize", stories + "/tokenizer.model", "Once upon a time", "--ids", "--no-bos").output == "403 407 261 378\n"
    )
    #expect(try Outcome("tokenize", stories, "--decode", "403, 407 261 378").output == "Once upon a time\n")
    #expect(try Outcome("tokenize", stories, "Once", "--json").report["ids"]?.array == [.int(1), .int(403)])
  }

  @Test func brokenTokenizersAreNamed() throws {
    let path = try scratch.write("tokenizer.json", "{\"model\": 3}")
    #expect(try Outcome("tokenize", path, "text").failed(65, path, "rule TOK-"))
    #expect(try Outcome("tokenize", scratch.path, "text").failed(65, path, "rule TOK-"))
  }

  @Test(arguments: ["inspect", "verify", "tensor", "tensors"]) func reportsAreObjectsWithASchema(kind: String) throws {
    let path = scratch.path("a.lmz")
    #expect(try Outcome("compress", stories, "-o", path, "--scheme", "int4-g32").status == 0)
    let outcome =
      switch kind {
      case "verify": try Outcome("verify", path, "--json")
      case "tensor": try Outcome("inspect", path, "--tensor", "model.norm.weight", "--json")
      case "tensors": try Outcome("inspect", path, "--tensors", "--entropy", "--json")
      default: try Outcome("inspect", path, "--json")
      }
    #expect(outcome.status == 0 && outcome.error == "")
    #expect(try outcome.report["schema"]?.int == 1)
  }

  @Test func brokenWeightsCanBeInspectedAsJSON() throws {
    let model = scratch.path("model")
    try writeStories(to: model) { if $0 == "model.norm.weight" { $1[3] = .nan } }
    let report = try Outcome("inspect", model, "--tensor", "model.norm.weight", "--json").report
    #expect(report["nonfinite"]?.int == 1)
  }

  @Test(arguments: ["llama_mha", "llama3_rope", "mistral_sliding"]) func logitsEqualTheReference(name: String) throws {
    let oracle = try SafetensorsFile(path: Fixtures.path("oracle/\(name)/oracle.safetensors"))
    let ids = try #require(oracle.tensors["input_ids"]), expected = try #require(oracle.tensors["logits"])
    let length = ids.shape[1], words = try ids.readAll().prefix(length).map { "\(Int($0))" }
    let path = scratch.path("out.safetensors")
    #expect(
      try Outcome("logits", Fixtures.path("oracle/\(name)"), "--ids", words.joined(separator: " "), "-o", path).status == 0)
    let logits = try #require(try SafetensorsFile(path: path).tensors["logits"])
    #expect(logits.shape == [length, expected.shape[2]] && logits.storage == .plain(.f32))
    let reference = try expected.readAll().prefix(logits.count), values = try logits.readAll()
    let most = try #require(reference.map(\.magnitude).max())
    #expect(zip(values, reference).allSatisfy { ($0 - $1).magnitude / most < 1e-4 })
  }

  @Test func chatAnswersByTheTemplateThatIsNamed() throws {
    let outcome = try Outcome(
      "chat", stories, "--template", "plain", "-p", "Once upon a time", "--max-tokens", "12", "--temperature", "0", "--quiet")
    #expect(outcome.status == 0)
    #expect(outcome.output.count > 10 && outcome.output.hasSuffix("\n"))
    #expect(try Outcome("chat", stories, "-p", "Hi").failed(64, "no chat template", "--template"))
    #expect(try Outcome("chat", stories, "-p", "Hi", "--template", "nope").failed(64, "nope", "chatml"))
  }
}
