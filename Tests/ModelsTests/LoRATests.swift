import Checkpoints
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Adapters merge into what `peft` merges them into (formats/lora.md); `fixtures/lora` has its answers.
struct LoRATests {
  let scratch = TestFolder()

  private func adapter(_ name: String) throws -> LoRAAdapter { try LoRAAdapter(path: Fixtures.path("lora/\(name)/adapter")) }

  private func family(_ name: String) throws -> ModelSource {
    try ModelSource.open(safetensors: Fixtures.path("families/\(name)"))
  }

  private func stored(_ source: ModelSource) throws -> [String: [Float]] {
    var tensors: [String: [Float]] = [:]
    for tensor in source.checkpointTensors { tensors[tensor.name] = try tensor.readAll() }
    return tensors
  }

  /// LORA-8, -11: rank and alpha patterns, rsLoRA, DoRA, embeddings, biases, replaced modules; separate, fused, transposed and
  /// interleaved matrices.
  @Test(
    arguments: [
      ("llama", "llama_yarn", ["llama"]), ("gpt2", "gpt2", ["gpt2"]), ("gpt_neox", "gpt_neox", ["gpt_neox"]),
      ("gptj", "gptj", ["gptj"]), ("phi3", "phi3", ["phi3"]), ("phi3_second", "phi3", ["phi3", "phi3_second"]),
    ])
  func mergesAsPEFT(name: String, base: String, adapters: [String]) throws {
    let source = try family(base)
    var merged = source
    for adapter in adapters {
      let result = try merged.merging(try self.adapter(adapter))
      #expect(result.leftOut.isEmpty)
      merged = result.model
    }
    let before = try stored(source), after = try stored(merged)
    let expected = try SafetensorsFile(path: Fixtures.path("lora/\(name)/expected.safetensors")).tensors
    #expect(before.keys == after.keys && !expected.isEmpty)
    for (name, values) in after {
      guard let wanted = try expected[name]?.readAll() else {
        #expect(values == before[name], "\(name) is not the adapter's")
        continue
      }
      let largest = wanted.reduce(0) { max($0, $1.magnitude) }
      #expect(values.count == wanted.count)
      #expect(zip(values, wanted).allSatisfy { ($0 - $1).magnitude <= 1e-6 * largest }, "\(name)")
      #expect(values != before[name], "\(name) is the adapter's")
    }
  }

  @Test(arguments: [("llama", "llama_yarn"), ("gpt2", "gpt2"), ("gpt_neox", "gpt_neox")])
  func piecesAreThoseOfTheWhole(name: String, base: String) throws {
    for change in try family(base).merging(try adapter(name)).changes {
      let whole = try change.after.readAll()
      for start in [0, 1, 31, 33] where start < whole.count {
        for count in [1, 30, 67] where start + count <= whole.count {
          var piece = [Float](repeating: .nan, count: count)
          try piece.withUnsafeMutableBufferPointer { try change.after.read(start..<start + count, into: $0) }
          #expect(piece == Array(whole[start..<start + count]), "\(change.after.name), \(start), \(count)")
        }
      }
    }
  }

  @Test func changesAreNamed() throws {
    let result = try family("llama_yarn").merging(try adapter("llama"))
    let ranks = Dictionary(result.changes.map { ($0.module, $0.rank) }) { first, _ in first }
    #expect(ranks["model.layers.0.self_attn.q_proj"] == 4 && ranks["model.layers.1.self_attn.q_proj"] == 6)
    #expect(ranks["model.layers.0.mlp.down_proj"] == 2 && ranks["lm_head"] == .some(nil) && ranks["model.embed_tokens"] == 4)
    #expect(result.model.files.count == 3 + 1)  // weights and settings of both
  }

  /// LORA-4: modules as they are named in bare, multimodal and distributed models, and the adapter's name in the parts.
  @Test(arguments: ["model.", "", "model.language_model.", "language_model.model.", "module.model."])
  func modulesOfWrappedModelsAreFound(prefix: String) throws {
    try writeModel(to: scratch)
    let module = "base_model.model.\(prefix)layers.0.self_attn.q_proj"
    let path = try writeAdapter(
      to: scratch, [(module + ".lora_A.default.weight", [1, 8], 1), (module + ".lora_B.default.weight", [8, 1], 0.5)])
    let source = try ModelSource.open(safetensors: scratch.path), result = try source.merging(try LoRAAdapter(path: path))
    let name = "model.layers.0.self_attn.q_proj.weight"
    let before = try #require(source.tensors[name]).readAll(), after = try #require(result.model.tensors[name]).readAll()
    #expect(after == before.map { $0 + 2 * 0.5 }, "alpha 2, rank 1, B A is 0.5")
    #expect(result.changes.map(\.after.name) == [name])
  }

  /// LORA-5: what is no part of the language model is left out.
  @Test func whatHasNoPlaceIsLeftOut() throws {
    try writeModel(to: scratch)
    let query = "base_model.model.model.layers.0.self_attn.q_proj", tower = "base_model.model.vision_tower.layers.0.q_proj"
    let path = try writeAdapter(
      to: scratch,
      [
        (query + ".lora_A.weight", [1, 8], 1), (query + ".lora_B.weight", [8, 1], 1), (tower + ".lora_A.weight", [1, 3], 1),
        (tower + ".lora_B.weight", [3, 1], 1), ("base_model.model.score.modules_to_save.weight", [2, 8], 1),
      ])
    let result = try ModelSource.open(safetensors: scratch.path).merging(try LoRAAdapter(path: path))
    #expect(result.changes.count == 1)
    #expect(
      result.leftOut == [
        "base_model.model.score.modules_to_save.weight", tower + ".lora_A.weight", tower + ".lora_B.weight",
      ])
  }

  /// LORA-10.
  @Test func aTiedHeadBecomesItsOwn() throws {
    try writeModel(to: scratch, config: tiny(["tie_word_embeddings": .bool(true)])) { _ in }
    let head = "base_model.model.lm_head"
    let tensors: [TestPart] = [(head + ".lora_A.weight", [1, 8], 1), (head + ".lora_B.weight", [5, 1], 1)]
    let source = try ModelSource.open(safetensors: scratch.path)
    #expect(source.spec.isTied)
    let result = try source.merging(try LoRAAdapter(path: try writeAdapter(to: scratch, tensors)))
    #expect(!result.model.spec.isTied && result.model.config["tie_word_embeddings"] == .bool(false))
    let embedding = try #require(source.tensors["model.embed_tokens.weight"]).readAll()
    #expect(try #require(result.model.tensors["model.embed_tokens.weight"]).readAll() == embedding)
    #expect(try #require(result.model.tensors["lm_head.weight"]).readAll() == embedding.map { $0 + 2 })
    let tied = try writeAdapter(to: scratch, tensors, ["ensure_weight_tying": .bool(true)])
    let other = try source.merging(try LoRAAdapter(path: tied))
    #expect(other.model.spec.isTied && other.leftOut.count == 2 && other.changes.isEmpty)
  }

  /// LORA-10: both replaced by the same stay one.
  @Test(arguments: [true, false]) func replacedAlikeStaysTied(isAlike: Bool) throws {
    try writeModel(to: scratch, config: tiny(["tie_word_embeddings": .bool(true)])) { _ in }
    let path = try writeAdapter(
      to: scratch,
      [
        ("base_model.model.model.embed_tokens.weight", [5, 8], 3), ("base_model.model.lm_head.weight", [5, 8], isAlike ? 3 : 4),
      ])
    let result = try ModelSource.open(safetensors: scratch.path).merging(try LoRAAdapter(path: path))
    #expect(result.model.spec.isTied == isAlike)
    #expect(result.leftOut == (isAlike ? ["base_model.model.lm_head.weight"] : []))
  }
}
