import Checkpoints
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Models in GGUF files made on the spot: what is recovered, and what is refused.
struct GGUFModelTests {
  /// Writes a model as llama.cpp's converter names things, changed by the two edits, and opens it. Elements are 0, 1, 2, ...
  private func open(
    _ changes: [String: JSONValue?] = [:], divisors: [Float]? = nil,
    metadata edit: (inout OrderedDictionary<String, GGUFValue>) -> Void = { _ in },
    tensors editTensors: (inout [GGUFTensorEntry]) -> Void = { _ in }
  ) throws -> ModelSource {
    let spec = try spec(changes)
    let mapping = try Architectures.mapping(gguf: "llama", file: "test")
    var metadata: OrderedDictionary<String, GGUFValue> = ["general.architecture": .string("llama")]
    for (key, value) in mapping.metadata(of: spec) { metadata[key] = value }
    edit(&metadata)
    var entries = spec.tensors.map { GGUFTensorEntry(name: $0.ggufName, shape: $0.shape, type: .f32) }
    if let divisors { entries.append(GGUFTensorEntry(name: "rope_freqs.weight", shape: [divisors.count], type: .f32)) }
    editTensors(&entries)
    let folder = TestFolder()
    let writer = try GGUFWriter(path: folder.path + "/model.gguf", metadata: metadata, tensors: entries)
    for entry in entries {
      let ramp = (0..<(elementCount(entry.shape) ?? 0)).map(Float.init)
      try (entry.name == "rope_freqs.weight" ? divisors ?? [] : ramp).withUnsafeBufferPointer { try writer.write(floats: $0) }
    }
    try writer.finish()
    return try ModelSource.open(gguf: folder.path + "/model.gguf")
  }

  private func llama3(factor: Double) -> JSONValue {
    .object([
      "rope_type": .string("llama3"), "factor": .double(factor), "low_freq_factor": .int(1), "high_freq_factor": .int(4),
      "original_max_position_embeddings": .int(8192),
    ])
  }

  static let shapes: [[String: JSONValue?]] = [
    [:], ["tie_word_embeddings": .bool(true)], ["head_dim": .int(6), "num_hidden_layers": .int(3)],
    ["attention_bias": .bool(true), "mlp_bias": .bool(true)], ["num_key_value_heads": .int(2), "rms_norm_eps": .double(1e-5)],
    ["rope_theta": .double(1_000_000), "max_position_embeddings": .int(131_072)],
    ["rope_scaling": .object(["rope_type": .string("linear"), "factor": .double(2.5)])],
  ]

  @Test(arguments: shapes) func theModelIsRecovered(changes: [String: JSONValue?]) throws {
    let source = try open(changes)
    #expect(source.spec == (try spec(changes)))
    #expect(source.unused == [])
  }

  @Test(arguments: [8.0, 32, 5]) func llama3ScalingIsRecoveredFromItsDivisors(factor: Double) throws {
    let changes: [String: JSONValue?] = [
      "head_dim": .int(64), "rope_theta": .double(500_000), "rope_scaling": llama3(factor: factor),
    ]
    let expected = try spec(changes)
    let divisors = try #require(expected.layers[0].attention.rotary?.divisors(headSize: 64))
    let source = try open(changes, divisors: divisors)
    #expect(source.spec == expected)
    #expect(source.unused == [], "the divisors are part of the configuration")
  }

  @Test func otherDivisorsAreRefused() {
    for divisors in [[1, 2, 3, 4], [1, 1], [1, 1, 1, 1, .nan], [.infinity, 0, 1, 1], []] as [[Float]] {
      let error = expectFailure(.badInput) { _ = try open(["head_dim": .int(8)], divisors: divisors) }
      #expect(error?.place == .key("rope_freqs.weight"))
      #expect(error?.rule == "MODEL-2")
    }
  }

  @Test func queriesAndKeysComeInHalfOrder() throws {
    let source = try open()
    let layer = source.spec.layers[0].attention
    let firsts = try source.tensor(layer.query.weight).readAll().enumerated().filter { $0.offset % 8 == 0 }.map { $0.element / 8 }
    #expect(firsts == [0, 2, 1, 3, 4, 6, 5, 7])
    #expect(try source.tensor(layer.value.weight).readAll() == (0..<32).map(Float.init))
  }

  @Test func theFamilyMustBeKnown() {
    for value in [GGUFValue.string("rwkv6"), .uint32(1), nil] {
      let error = expectFailure(.badInput) { _ = try open(metadata: { $0["general.architecture"] = value }) }
      #expect(error?.place == .key("general.architecture"))
      #expect(error?.rule == "MODEL-1")
    }
  }

  @Test(arguments: ["embedding_length", "block_count", "feed_forward_length", "attention.head_count"])
  func whatIsNeededMustBeThereAndWithinBounds(key: String) {
    for value in [nil, .uint32(0), .int32(-1), .uint64(.max), .uint32(1 << 25), .string("8"), .float32(8)] as [GGUFValue?] {
      let error = expectFailure(.badInput) { _ = try open(metadata: { $0["llama." + key] = value }) }
      #expect(error?.place == .key("llama." + key))
      #expect(error?.rule == "MODEL-2")
    }
  }

  @Test func otherRotaryScalingsAreRefusedByName() {
    let error = expectFailure(.badInput) { _ = try open(metadata: { $0["llama.rope.scaling.type"] = .string("dynamic") }) }
    #expect(error?.place == .key("llama.rope.scaling.type"))
    expectFailure(.badInput) { _ = try open(metadata: { $0["llama.rope.scaling.type"] = .string("linear") }) }
  }

  @Test func missingAndMisshapenTensorsAreNamed() {
    let none = expectFailure(.badInput) { _ = try open(tensors: { $0.removeAll { $0.name == "token_embd.weight" } }) }
    #expect(none?.place == .key("token_embd.weight"))
    let missing = expectFailure(.missingInput) { _ = try open(tensors: { $0.removeAll { $0.name == "blk.0.ffn_up.weight" } }) }
    #expect(missing?.place == .tensor("blk.0.ffn_up.weight"))
    #expect(missing?.rule == "MODEL-3")
    let wide = expectFailure(.badInput) { _ = try open(metadata: { $0["llama.feed_forward_length"] = .uint32(13) }) }
    #expect(wide?.rule == "MODEL-4")
  }

  @Test func aFileWithoutTokenizerHasNone() throws {
    let source = try open()
    expectFailure(.missingInput) { _ = try source.makeTokenizer() }
    let broken = try open(metadata: {
      $0["tokenizer.ggml.model"] = .string("unheard-of")
      $0["tokenizer.ggml.tokens"] = .array(.string([Array("a".utf8)]))
    })
    expectFailure(.badInput) { _ = try broken.makeTokenizer() }
  }
}
