import Models
import Tensors
import TestSupport
import Testing

/// What families find in configurations, and what is said of models of none (MODEL-1, MODEL-2).
struct FamilyConfigurationTests {
  private func fixture(_ name: String, _ changes: [String: JSONValue?] = [:]) throws -> ModelSpec {
    let file = try MappedFile(path: Fixtures.path("families/\(name)/config.json"))
    var members = try #require(try decodeJSON(JSONValue.self, file: file).object)
    for (key, value) in changes { members[key] = value }
    return try Architectures.spec(of: Configuration(.object(members), file: "config.json"))
  }

  private func expectRefusal(
    _ name: String, _ changes: [String: JSONValue?], key: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = expectFailure(.badInput, sourceLocation: sourceLocation) { _ = try fixture(name, changes) }
    #expect(error?.place == .key(key) && error?.rule == "MODEL-2", "\(String(describing: error))", sourceLocation: sourceLocation)
  }

  @Test func modelsOfNoKnownFamilyAreCalledWhatTheyAre() {
    func message(_ members: [String: JSONValue]) -> String {
      let error = expectFailure(.badInput) { _ = try Architectures.spec(of: Configuration(.object(members))) }
      #expect(error?.rule == "MODEL-1" && error?.place == .key("model_type"))
      return error?.description ?? ""
    }
    #expect(message(["model_type": .string("mixtral"), "num_local_experts": .int(8)]).contains("num_local_experts is 8"))
    #expect(message(["model_type": .string("llava"), "vision_config": .object([:])]).contains("vision_config"))
    #expect(message(["model_type": .string("rwkv6")]).contains("recurrent"))
    #expect(message(["model_type": .string("mamba"), "state_size": .int(16)]).contains("recurrent"))
    #expect(message(["model_type": .string("t5"), "is_encoder_decoder": .bool(true)]).contains("encoder"))
    #expect(message(["model_type": .string("x\u{1B}[31m")]).contains("not supported"))
  }

  @Test func theClassTellsTheFamilyWhereTheTypeIsMissing() throws {
    for (name, type) in [
      ("GPTNeoXForCausalLM", "gpt_neox"), ("GPT2LMHeadModel", "gpt2"), ("StableLmForCausalLM", "stablelm"),
      ("OPTModel", "opt"), ("MixFormerSequentialForCausalLM", "mixformer-sequential"),
    ] {
      let configuration = Configuration(.object(["architectures": .array([.string(name)])]))
      #expect(try Architectures.family(of: configuration).modelTypes.contains(type))
    }
  }

  @Test func softcapsAreUsualUnlessNull() throws {
    #expect(try fixture("gemma2", ["attn_logit_softcapping": nil]).layers[0].attention.softcap == 50)
    #expect(try fixture("gemma2", ["attn_logit_softcapping": .null]).layers[0].attention.softcap == nil)
    #expect(try fixture("gemma2", ["final_logit_softcapping": nil]).logitSoftcap == 30)
    #expect(try fixture("gemma3_old").logitSoftcap == nil)
  }

  @Test func layersOfGemmaDiffer() throws {
    let layers = try fixture("gemma3_old", ["num_hidden_layers": .int(4)]).layers.map(\.attention)
    #expect(layers.map(\.window) == [5, nil, 5, nil])
    #expect(layers.map { $0.rotary?.base } == [10000, 1_000_000, 10000, 1_000_000])
    #expect(layers.map { $0.rotary?.scaling } == [.some(.none), .linear(factor: 8), .some(.none), .linear(factor: 8)])
  }

  @Test func factorsOfLongRopeAreComplete() throws {
    let file = try MappedFile(path: Fixtures.path("families/phi3_long/config.json"))
    let rotary = try #require(try decodeJSON(JSONValue.self, file: file)["rope_parameters"]?.object)
    for key in ["short_factor", "long_factor"] {
      for value in [nil, .array([.double(1)]), .array([.int(1), .int(1), .int(1), .int(0)]), .string("1")] as [JSONValue?] {
        var changed = rotary
        changed[key] = value
        expectRefusal("phi3_long", ["rope_parameters": .object(changed)], key: key)
      }
    }
  }

  @Test func whatCannotBeComputedIsRefused() {
    expectRefusal("gpt2", ["add_cross_attention": .bool(true)], key: "add_cross_attention")
    expectRefusal("gpt2", ["n_embd": .int(0)], key: "n_embd")
    let endless = JSONValue.array([.array([.array([.string("global")]), .int(.max)])])
    expectRefusal("gpt_neo", ["attention_types": endless], key: "attention_types")
    expectRefusal("gptj", ["rotary_dim": .int(10)], key: "rotary_dim")
    expectRefusal("gptj", ["rotary_dim": .int(3)], key: "rotary_dim")
    expectRefusal("gpt_neox_old", ["rotary_pct": .double(0.1)], key: "rotary_pct")
    expectRefusal("gpt_neox_old", ["rotary_pct": .double(2)], key: "rotary_pct")
    expectRefusal("gemma", ["use_bidirectional_attention": .bool(true)], key: "use_bidirectional_attention")
    expectRefusal("opt", ["layer_norm_elementwise_affine": .bool(false)], key: "layer_norm_elementwise_affine")
    expectRefusal("smollm3", ["no_rope_layers": .array([.int(1)])], key: "no_rope_layers")
    expectRefusal("granite", ["residual_multiplier": .int(0)], key: "residual_multiplier")
    expectRefusal("qwen2", ["layer_types": .array([])], key: "layer_types")
  }
}
