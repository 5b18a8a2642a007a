import Checkpoints
import Models
import Tensors
import TestSupport
import Testing

/// A tensor of an adapter: its name, its shape, and what all its elements are.
typealias TestPart = (name: String, shape: [Int], value: Float)

/// An adapter of rank 1 and alpha 2 in a folder of its own; some settings changed.
func writeAdapter(
  to folder: TestFolder, _ parts: [TestPart], _ settings: [String: JSONValue] = [:], type: DType = .f32
) throws -> String {
  var config: [String: JSONValue] = [
    "peft_type": .string("LORA"), "r": .int(1), "lora_alpha": .int(2), "base_model_name_or_path": .string("tiny"),
  ]
  config.merge(settings) { $1 }
  let output = try OutputFolder(path: folder.path("adapter-\(folder.names.count)"))
  let file = try OutputFile(path: output.path(of: "adapter_config.json"))
  try file.write(try encodeJSON(config))
  try file.commit()
  let writer = try SafetensorsWriter(
    path: output.path(of: "adapter_model.safetensors"),
    entries: parts.map { SafetensorsEntry(name: $0.name, dtype: type, shape: $0.shape) })
  for part in parts {
    let count = elementCount(part.shape) ?? 0
    if type == .f32 {
      try writer.write(floats: [Float](repeating: part.value, count: count))
    } else {
      try [UInt8](repeating: 1, count: count * type.size).withUnsafeBytes { try writer.write(raw: $0) }
    }
  }
  try writer.finish()
  try output.commit()
  return folder.path("adapter-\(folder.names.count - 1)")
}

/// Adapters that are broken, hostile or of another base are refused with the rule that they break.
struct HostileLoRATests {
  let scratch = TestFolder()
  private let query = "base_model.model.model.layers.0.self_attn.q_proj"
  private var sound: [TestPart] { [(query + ".lora_A.weight", [1, 8], 1), (query + ".lora_B.weight", [8, 1], 1)] }

  private func refused(
    _ parts: [TestPart], _ settings: [String: JSONValue] = [:], type: DType = .f32, rule: Int, _ words: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    if !scratch.names.contains("model.safetensors") { try writeModel(to: scratch) }
    let path = try writeAdapter(to: scratch, parts, settings, type: type)
    let error = expectFailure(.badInput, sourceLocation: sourceLocation) {
      _ = try ModelSource.open(safetensors: scratch.path).merging(try LoRAAdapter(path: path))
    }
    #expect(error?.rule == "LORA-\(rule)", "\(error.map(\.description) ?? "")", sourceLocation: sourceLocation)
    for word in words { #expect(error?.description.contains(word) == true, "\(word)", sourceLocation: sourceLocation) }
  }

  @Test(arguments: ["IA3", "LOHA", "LOKR", "OFT", "PROMPT_TUNING", "ADALORA"]) func otherKindsAreNamed(kind: String) throws {
    try refused(sound, ["peft_type": .string(kind)], rule: 1, kind)
  }

  @Test(
    arguments: [
      ("lora_bias", JSONValue.bool(true)), ("use_qalora", .bool(true)),
      ("layer_replication", .array([.array([.int(0), .int(1)])])),
      ("target_parameters", .array([.string("experts")])), ("trainable_token_indices", .array([.int(3)])),
      ("alora_invocation_tokens", .array([.int(3)])), ("init_lora_weights", .string("pissa_niter_4")),
      ("init_lora_weights", .string("olora")),
    ])
  func otherArithmeticIsNamed(key: String, value: JSONValue) throws { try refused(sound, [key: value], rule: 2, key) }

  @Test(
    arguments: [
      ("r", JSONValue.int(0)), ("r", .int(1 << 40)), ("r", .string("8")), ("r", .double(1.5)), ("r", .null),
      ("lora_alpha", .double(1e300)), ("lora_alpha", .array([])), ("use_rslora", .string("yes")), ("use_dora", .int(1)),
      ("rank_pattern", .array([])), ("rank_pattern", .object(["q_proj": .int(0)])),
      ("rank_pattern", .object(["q_proj": .int(-1)])),
      ("alpha_pattern", .object(["q_proj": .string("1")])), ("alpha_pattern", .object(["(": .int(1)])),
      ("alpha_pattern", .object(["(?:(?:[a-z_0-9.]+)+)+(?:X|Y)": .int(1)])),
    ])
  func settingsHaveBounds(key: String, value: JSONValue) throws { try refused(sound, [key: value], rule: 3, key) }

  @Test func namesAreParts() throws {
    for name in [
      query + ".lora_C.weight", query + ".lora_A.bias", query + ".lora_A.x.y.weight", query + ".lora_A", "lora_A.weight",
      query + ".hada_w1_a", query + ".oft_r.default.weight", query + ".original_module.weight", "base_model.model.weight",
      "base_model..x.weight", "weight",
    ] {
      try refused(sound + [(name, [1, 8], 1)], rule: 4, name)
    }
    try refused(sound + [(query + ".lora_A.default.weight", [1, 8], 1)], rule: 4, "twice")
    try refused(sound + [(query + ".lora_embedding_A", [1, 8], 1)], rule: 4, "twice")
    try refused(Array(sound.prefix(1)), rule: 4, "missing")
    try refused(Array(sound.suffix(1)), rule: 4, "missing")
    try refused(sound, ["use_dora": .bool(true)], rule: 4, "lacks magnitudes")
    try refused(sound + [(query + ".lora_magnitude_vector", [8], 1)], rule: 4, "has magnitudes")
  }

  @Test func modulesOfAnotherBaseAreNamed() throws {
    for module in ["model.layers.1.self_attn.q_proj", "model.layers.0.self_attn.qkv_proj", "transformer.h.0.attn.c_attn"] {
      let name = "base_model.model." + module
      try refused(
        [(name + ".lora_A.weight", [1, 8], 1), (name + ".lora_B.weight", [8, 1], 1)], rule: 5, module, "another base (tiny)")
    }
  }

  @Test func shapesAreThoseOfTheModel() throws {
    for (down, up) in [
      ([1, 9], [8, 1]), ([1, 8], [9, 1]), ([2, 8], [8, 2]), ([8, 1], [1, 8]), ([8], [8]), ([1, 8, 1], [8, 1]),
    ] {
      try refused([(query + ".lora_A.weight", down, 1), (query + ".lora_B.weight", up, 1)], rule: 6, "another base (tiny)")
    }
    try refused(sound, ["rank_pattern": .object(["q_proj": .int(2)])], rule: 6)
    try refused([(query + ".lora_embedding_A", [1, 9], 1), (query + ".lora_embedding_B", [8, 1], 1)], rule: 6)
    try refused(sound + [(query + ".lora_magnitude_vector", [7], 1)], ["use_dora": .bool(true)], rule: 6)
    try refused([("base_model.model.lm_head.weight", [6, 8], 1)], rule: 6, "[5, 8]")
    let norm = "base_model.model.model.norm"
    try refused([(norm + ".lora_A.weight", [1, 8], 1), (norm + ".lora_B.weight", [8, 1], 1)], rule: 6, "no matrix")
  }

  @Test func elementsAreFloats() throws { try refused(sound, type: .i32, rule: 7) }

  @Test func magnitudesOfAnEmbeddingAreRefused() throws {
    let embedding = "base_model.model.model.embed_tokens"
    try refused(
      [
        (embedding + ".lora_embedding_A", [1, 5], 1), (embedding + ".lora_embedding_B", [8, 1], 1),
        (embedding + ".lora_magnitude_vector", [8], 1),
      ], ["use_dora": .bool(true)], rule: 8)
  }

  @Test func whatIsNotThereIsNamed() throws {
    func missing(_ path: String, _ word: String) {
      let error = expectFailure(.missingInput) { _ = try LoRAAdapter(path: path) }
      #expect(error?.description.contains(word) == true)
    }
    missing(scratch.path("none"), "no folder")
    missing(try scratch.write("adapter_config.json", "{}"), "no folder")
    missing(Fixtures.path("families/gpt2"), "adapter_config.json")
    try scratch.write("adapter_config.json", "{\"peft_type\": \"LORA\", \"r\": 1}")
    missing(scratch.path, "adapter_model.bin")
  }
}
