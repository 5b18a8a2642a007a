import Models
import Tensors
import TestSupport
import Testing

/// Every configuration that is refused names its key and the rule.
struct ConfigurationRefusalTests {
  private func expectRefusal(
    _ changes: [String: JSONValue?], key: String, rule: String = "MODEL-2", sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = expectFailure(.badInput, sourceLocation: sourceLocation) { _ = try spec(changes) }
    #expect(error?.place == .key(key), "\(String(describing: error))", sourceLocation: sourceLocation)
    #expect(error?.rule == rule, sourceLocation: sourceLocation)
    #expect(error?.file == "config.json", sourceLocation: sourceLocation)
  }

  static let required = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"]
  static let optional = ["num_key_value_heads", "head_dim", "max_position_embeddings"]

  @Test(arguments: required + ["model_type"]) func whatIsNeededMustBeThere(key: String) {
    expectRefusal([key: nil], key: key)
    expectRefusal([key: .null], key: key)
  }

  @Test(arguments: required + optional) func integersHaveBounds(key: String) {
    let values: [JSONValue] = [
      .int(0), .int(-1), .int(.max), .int(.min), .double(1.5), .double(1e30), .string("8"), .array([]), .bool(true),
      .int(1 << 31),
    ]
    for value in values { expectRefusal([key: value], key: key) }
  }

  @Test func keyValueHeadsDivideTheHeads() {
    expectRefusal(["num_attention_heads": .int(4), "num_key_value_heads": .int(3)], key: "num_key_value_heads")
    expectRefusal(["num_key_value_heads": .int(4)], key: "num_key_value_heads")
  }

  @Test func headsHaveAnEvenSize() {
    expectRefusal(["head_dim": .int(3)], key: "head_dim")
    expectRefusal(["hidden_size": .int(6)], key: "head_dim")
    expectRefusal(["num_attention_heads": .int(16)], key: "head_dim")
  }

  @Test(arguments: ["mish", "quick_gelu", "\u{1B}[31m"]) func otherActivationsAreRefused(name: String) {
    expectRefusal(["hidden_act": .string(name)], key: "hidden_act")
  }

  @Test func anActivationIsAName() { expectRefusal(["hidden_act": .int(1)], key: "hidden_act") }

  @Test func otherFamiliesAreRefusedByName() {
    expectRefusal(["model_type": .string("bert")], key: "model_type", rule: "MODEL-1")
    expectRefusal(["model_type": .int(1)], key: "model_type")
    expectFailure(.badInput) { _ = try Architectures.mapping(gguf: "rwkv6", file: "a.gguf") }
  }

  @Test(arguments: ["tie_word_embeddings", "attention_bias", "mlp_bias"]) func flagsAreTrueOrFalse(key: String) {
    expectRefusal([key: .int(1)], key: key)
    expectRefusal([key: .string("true")], key: key)
  }

  @Test(arguments: ["rms_norm_eps", "rope_theta"]) func numbersAreAboveZero(key: String) {
    for value in [JSONValue.int(0), .double(-1), .double(1e-60), .double(1e60), .string("1e-5")] {
      expectRefusal([key: value], key: key)
    }
  }

  @Test(arguments: ["dynamic", "su", "mrope"]) func otherRotaryScalingsAreRefusedByName(kind: String) {
    expectRefusal(["rope_scaling": .object(["type": .string(kind), "factor": .int(2)])], key: "rope_type")
    expectRefusal(["rope_parameters": .object(["rope_type": .string(kind), "factor": .int(2)])], key: "rope_type")
  }

  @Test func rotaryScalingSaysWhatItIs() {
    expectRefusal(["rope_scaling": .object(["factor": .int(2)])], key: "rope_type")
    expectRefusal(["rope_scaling": .object(["rope_type": .int(1)])], key: "rope_type")
    expectRefusal(["rope_scaling": .string("linear")], key: "rope_scaling")
  }

  @Test func rotaryScalingIsComplete() {
    expectRefusal(["rope_scaling": .object(["type": .string("linear")])], key: "factor")
    expectRefusal(["rope_scaling": .object(["type": .string("linear"), "factor": .int(0)])], key: "factor")
    let whole: [String: JSONValue] = [
      "rope_type": .string("llama3"), "factor": .int(8), "low_freq_factor": .int(1), "high_freq_factor": .int(4),
      "original_max_position_embeddings": .int(8192),
    ]
    for key in whole.keys where key != "rope_type" {
      expectRefusal(["rope_scaling": .object(whole.filter { $0.key != key })], key: key)
    }
    expectRefusal(["rope_scaling": .object(whole.merging(["high_freq_factor": .int(1)]) { $1 })], key: "high_freq_factor")
  }

  @Test func layerTypesNameEveryLayer() {
    let kinds = JSONValue.array([.string("full_attention"), .string("full_attention")])
    expectRefusal(["model_type": .string("mistral"), "layer_types": kinds], key: "layer_types")
    expectRefusal(["model_type": .string("mistral"), "sliding_window": .int(0)], key: "sliding_window")
  }

  @Test(arguments: [JSONValue.array([]), .string("llama"), .null, .int(1)]) func aConfigurationIsAnObject(json: JSONValue) {
    expectFailure(.badInput) { _ = try Architectures.spec(of: Configuration(json)) }
  }
}
