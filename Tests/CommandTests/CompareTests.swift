import Checkpoints
import Tensors
import TestSupport
import Testing

/// `lmtool compare`, and `lmtool import --adapter`, which it judges.
struct CompareTests {
  let scratch = TestFolder()
  private let weight = "model.layers.0.self_attn.q_proj.weight"

  private func compare(_ words: String...) throws -> Outcome { try Outcome(arguments: ["compare"] + words) }

  @Test func aModelIsEqualToItself() throws {
    let outcome = try compare(stories, stories)
    #expect(outcome.status == 0 && outcome.output.hasSuffix("EQUAL\n") && !outcome.output.contains("model.layers"))
    #expect(outcome.output.contains("0 of 47 differ\n"))
    #expect(try compare(stories, stories, "--all").output.contains(weight))
    let report = try compare(stories, stories, "--json", "--all").report
    #expect(report["is_equal"]?.bool == true && report["tensors"]?.array?.count == 47 && report["schema"]?.int == 1)
  }

  @Test(arguments: ["stories260K-f32.gguf", "stories260K.bin", "model.safetensors"]) func formatsOfOneModelAreEqual(name: String)
    throws
  {
    let report = try compare(stories, stories + "/" + name, "--json").report
    #expect(report["differing"]?.int == 0 && report["configuration"]?.array == [])
  }

  @Test func whatDiffersIsShown() throws {
    try writeStories(to: scratch.path("other"), config: ["rope_theta": .int(20000), "dtype": .string("float16")]) {
      if $0 == weight { $1[3] += 0.25 }
    }
    let outcome = try compare(stories, scratch.path("other"))
    #expect(outcome.status == 1 && outcome.output.hasSuffix("DIFFERENT\n") && outcome.error == "")
    for text in [weight, "64 x 64", "rope_theta", "20000", "1 of 47 differ", "tokenizer", "none"] {
      #expect(outcome.output.contains(text), "\(text)")
    }
    #expect(!outcome.output.contains("layers.1.") && !outcome.output.contains("dtype"))
    let report = try compare(stories, scratch.path("other"), "--json").report
    let tensor = try #require(report["tensors"]?.array?.first)
    #expect(tensor["name"]?.string == weight && tensor["is_equal"]?.bool == false)
    let largest = try #require(tensor["largest"]?.double)
    #expect((largest - 0.25).magnitude < 1e-6)
    #expect(try #require(tensor["mean"]?.double) == largest / 4096)
    #expect(try #require(tensor["cosine"]?.double) < 1)
    #expect(report["configuration"]?.array?.count == 1 && report["differing"]?.int == 1)
  }

  @Test func theToleranceIsRelativeToTheLargestWeight() throws {
    let half = scratch.path("half")
    #expect(try Outcome("import", stories, "-o", half, "--dtype", "bf16").status == 0)
    #expect(try compare(stories, half).status == 1)
    #expect(try compare(stories, half, "--tolerance", "1e-4").status == 1)
    let outcome = try compare(stories, half, "--tolerance", "0.004")
    #expect(outcome.status == 0 && outcome.output.contains("0 of 47 differ; the largest relative difference is 0.0"))
  }

  @Test func shapesAndMissingTensorsDiffer() throws {
    let outcome = try compare(Fixtures.path("families/gpt2"), stories)
    #expect(outcome.status == 1)
    #expect(
      outcome.output.contains("96 x 32 / 512 x 64") && outcome.output.contains(" / none") && outcome.output.contains("none / "))
  }

  @Test func whatCannotBeComparedIsNamed() throws {
    #expect(try compare(stories, scratch.path("nope")).failed(66, "nope"))
    #expect(try compare(stories, stories, "--tolerance", "-1").status == 64)
    #expect(try compare(stories).status == 64)
  }

  @Test func adaptersAreMerged() throws {
    let adapter = try writeStoriesAdapter(to: scratch.path("adapter"), up: 0.5), merged = scratch.path("merged")
    let outcome = try Outcome("import", stories, "-o", merged, "--adapter", adapter)
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("q_proj") && outcome.error.contains("of stories260K, in 1 of 5 layers"))
    let report = try compare(stories, merged, "--json").report
    #expect(report["differing"]?.int == 1 && report["tensors"]?.array?.first?["name"]?.string == weight)
    let largest = try #require(report["tensors"]?.array?.first?["largest"]?.double)
    #expect((largest - 0.5).magnitude < 1e-6)
    let twice = try Outcome("import", stories, "-o", scratch.path("twice"), "--adapter", adapter, "--adapter", adapter, "--json")
    #expect(try twice.report["adapters"]?.array?.count == 2)
    let both = try #require(try compare(stories, scratch.path("twice"), "--json").report["tensors"]?.array?.first)
    #expect((try #require(both["largest"]?.double) - 1).magnitude < 1e-6)
  }

  @Test func adaptersThatDoNotFitAreRefused() throws {
    let none = try writeStoriesAdapter(to: scratch.path("none"), up: 0)
    #expect(
      try Outcome("import", stories, "-o", scratch.path("out"), "--adapter", none, "-q").failed(
        65, none, "changes nothing", "LORA-9"))
    let deep = try writeStoriesAdapter(to: scratch.path("deep"), up: 1, layer: 9)
    #expect(try Outcome("import", stories, "-o", scratch.path("out"), "--adapter", deep).failed(65, "layers.9", "LORA-5"))
    #expect(try Outcome("import", stories, "-o", scratch.path("out"), "--adapter", stories).failed(66, "adapter_config.json"))
    #expect(scratch.names == ["deep", "none"])
  }
}
