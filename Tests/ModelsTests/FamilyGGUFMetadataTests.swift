import Checkpoints
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// What GGUF files of the families say, and what is refused (MODEL-2, MODEL-12).
struct FamilyGGUFMetadataTests {
  /// A file as the mapping of a fixture's family would write it, changed by the edits, and opened. Elements are 0, 1, 2, ...
  private func open(
    _ name: String, _ changes: [String: JSONValue?] = [:], isFused: Bool? = nil,
    metadata edit: (inout OrderedDictionary<String, GGUFValue>) -> Void = { _ in },
    tensors editTensors: (inout OrderedDictionary<String, [Int]>) -> Void = { _ in }
  ) throws -> ModelSource {
    let (spec, mapping) = try described(name, changes)
    var metadata: OrderedDictionary<String, GGUFValue> = ["general.architecture": .string(mapping.traits.name)]
    for (key, value) in mapping.metadata(of: spec) { metadata[key] = value }
    edit(&metadata)
    var shapes: OrderedDictionary<String, [Int]> = [:]
    for factor in mapping.factors(of: spec) { shapes[factor.name] = [factor.values.count] }
    for tensor in spec.tensors {
      let slice = mapping.slice(of: tensor, in: spec, isFused: isFused ?? mapping.traits.fusesQueryKeyValue)
      shapes[slice.name] = slice.shape
    }
    editTensors(&shapes)
    let folder = TestFolder(), entries = shapes.map { GGUFTensorEntry(name: $0.key, shape: $0.value, type: .f32) }
    let writer = try GGUFWriter(path: folder.path("model.gguf"), metadata: metadata, tensors: entries)
    for entry in entries {
      let first = entry.name.hasPrefix("rope_") ? 1 : 0
      try (0..<(elementCount(entry.shape) ?? 0)).map { Float(first + $0) }.withUnsafeBufferPointer {
        try writer.write(floats: $0)
      }
    }
    try writer.finish()
    return try ModelSource.open(gguf: folder.path("model.gguf"))
  }

  private func described(
    _ name: String, _ changes: [String: JSONValue?]
  ) throws -> (spec: ModelSpec, mapping: any GGUFMapping) {
    let file = try MappedFile(path: Fixtures.path("families/\(name)/config.json"))
    var members = try #require(try decodeJSON(JSONValue.self, file: file).object)
    for (key, value) in changes { members[key] = value }
    let configuration = Configuration(.object(members), file: "config.json")
    return (try Architectures.spec(of: configuration), try Architectures.mapping(of: configuration))
  }

  private func expectRefusal(
    _ name: String, key: String, _ value: GGUFValue?, place: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = expectFailure(.badInput, sourceLocation: sourceLocation) {
      _ = try open(name, metadata: { $0[key] = value })
    }
    #expect(error?.rule == "MODEL-2", sourceLocation: sourceLocation)
    #expect(error?.place == .key(place ?? key), "\(String(describing: error))", sourceLocation: sourceLocation)
  }

  /// Older files of Phi-2 have them fused, newer ones of any family may.
  @Test(arguments: ["qwen2", "phi_mixformer", "gpt2", "gpt_neox", "phi3", "granite"])
  func queriesKeysAndValuesAreReadFusedOrNot(name: String) throws {
    for isFused in [false, true] {
      let source = try open(name, isFused: isFused)
      #expect(source.unused == [])
      let attention = source.spec.layers[0].attention, width = source.spec.width
      let value = try source.tensor(attention.value.weight).readAll()
      let first = isFused ? (attention.query.outputs + attention.key.outputs) * width : 0
      #expect(value == (0..<value.count).map { Float(first + $0) })
      // The second row, where rows are in half order, and where they were interleaved.
      let query = try source.tensor(attention.query.weight).readAll()
      #expect(query[width] == Float((name == "granite" ? 2 : 1) * width))
    }
  }

  @Test func gateAndUpShareATensorOfPhi3() throws {
    let source = try open("phi3"), mlp = source.spec.layers[1].mlp
    #expect(try source.tensor(try #require(mlp.gate).weight).readAll().first == 0)
    #expect(try source.tensor(mlp.up.weight).readAll().first == Float(48 * 32))
  }

  @Test func normsOfGemmaAreWrittenWithTheirOne() throws {
    let source = try open("gemma"), norm = try #require(source.spec.layers[0].mlpNorm)
    #expect(try source.tensor(norm.weight).readAll() == (0..<32).map { Float($0) - 1 })
  }

  @Test func normsOfHeadsAreMatrices() throws {
    let source = try open("cohere"), norm = try #require(source.spec.layers[0].attention.keyNorm).norm
    // Pairs of neighbours become halves, in each head of eight.
    #expect(try source.tensor(norm.weight).readAll() == [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15])
  }

  @Test func windowsOfGemmaFollowTheirPattern() throws {
    func windows(_ value: GGUFValue?) throws -> [Int?] {
      let source = try open("gemma3_old", metadata: { $0["gemma3.attention.sliding_window_pattern"] = value })
      return source.spec.layers.map(\.attention.window)
    }
    #expect(try windows(.array(.bool([false, true]))) == [nil, 5])
    #expect(try windows(.uint32(2)) == [5, nil])
    #expect(try windows(nil) == [5, 5])
    #expect(try windows(.uint32(0)) == [5, 5])
    #expect(try windows(.uint32(1)) == [nil, nil])
    let whole = try open("gemma3_old", metadata: { $0["gemma3.attention.sliding_window"] = nil })
    #expect(whole.spec.narrowestWindow == nil)
    let usual = try open("gemma2", metadata: { $0["gemma2.attention.sliding_window"] = nil })
    #expect(usual.spec.layers.map(\.attention.window) == [4096, nil])
    for pattern in [GGUFValue.array(.bool([true])), .string("x"), .int32(-1)] {
      expectRefusal("gemma3_old", key: "gemma3.attention.sliding_window_pattern", pattern)
    }
  }

  @Test func scalesOfGemmaAreThoseOfTheSize() throws {
    #expect(try open("gemma2").spec.layers[0].attention.scale == 1 / Float(8).squareRoot())
    let (large, mapping) = try described("gemma2", ["num_hidden_layers": .int(46), "query_pre_attn_scalar": .int(8)])
    #expect(mapping.traits.name == "gemma2" && large.layers[45].attention.scale == 1 / Float(8).squareRoot())
    #expect(
      try open("gemma2", ["num_hidden_layers": .int(46), "head_dim": .int(16)]).spec.layers[0].attention.scale == 1
        / Float(8).squareRoot())
  }

  @Test func softcapsAreUsualWhereTheFileDoesNotSayThem() throws {
    let spec = try open(
      "gemma2",
      metadata: {
        $0["gemma2.attn_logit_softcapping"] = nil
        $0["gemma2.final_logit_softcapping"] = nil
      }
    ).spec
    #expect(spec.layers[0].attention.softcap == 50 && spec.logitSoftcap == 30)
    #expect(try open("gemma3_old").spec.logitSoftcap == nil)
  }

  @Test func longRopeIsReadFromItsTensors() throws {
    let source = try open("phi3_long")
    guard case .longrope(let scaling)? = source.spec.layers[0].attention.rotary?.scaling else {
      Issue.record("it is no LongRoPE")
      return
    }
    #expect(scaling.long == [1, 2, 3, 4] && scaling.short == [1, 2, 3, 4] && scaling.originalContext == 16)
    let error = expectFailure(.badInput) { _ = try open("phi3_long", tensors: { $0["rope_factors_short.weight"] = [3] }) }
    #expect(error?.place == .key("rope_factors_short.weight"))
    // Without tensors, the kind alone is not enough.
    let none = expectFailure(.badInput) {
      _ = try open("phi3_long", tensors: { $0.removeAll { $0.key.hasPrefix("rope_factors") } })
    }
    #expect(none?.place == .key("phi3.rope.scaling.type"))
  }

  @Test func yarnIsReadAsLlamaCppReadsIt() throws {
    func factor(_ key: String, _ value: Float) throws -> Float {
      let source = try open("llama_yarn", metadata: { $0["llama.rope.scaling." + key] = .float32(value) })
      return try #require(source.spec.layers[0].attention.rotary).attentionFactor
    }
    let usual = Float(1.138629436)
    #expect(abs(try factor("attn_factor", 1) - usual) < 1e-6)
    #expect(abs(try factor("attn_factor", 0.5) - usual / 2) < 1e-6)
    #expect(abs(try factor("yarn_log_multiplier", 1) - 1) < 1e-6)
    #expect(abs(try factor("yarn_attn_factor", 1.5) - 1.5) < 1e-6)
    expectRefusal("llama_yarn", key: "llama.rope.scaling.factor", nil)
    expectRefusal("llama_yarn", key: "llama.rope.scaling.factor", .float32(-1))
  }

  @Test func partsOfHeadsAreWhole() throws {
    #expect(try open("stablelm").spec.layers[0].attention.rotary?.size == 2)
    // 6/22 of 22 is a little less than 6.
    let wide = try open(
      "stablelm_serial", ["hidden_size": .int(88), "rope_parameters": nil, "partial_rotary_factor": .double(0.2728)])
    #expect(wide.spec.layers[0].attention.rotary?.rotated(headSize: 22) == 6)
    for value in [GGUFValue.uint32(0), .uint32(1), .uint32(9), .uint32(.max)] {
      expectRefusal("stablelm", key: "stablelm.rope.dimension_count", value)
    }
  }

  @Test func headsHaveASize() {
    for value in [GGUFValue.uint32(0), .uint32(1), .uint32(.max), .int32(-4)] {
      expectRefusal("qwen3", key: "qwen3.attention.key_length", value)
    }
    expectRefusal("qwen3", key: "qwen3.attention.head_count_kv", .uint32(3), place: "num_key_value_heads")
    expectRefusal("qwen3", key: "qwen3.context_length", .uint32(0), place: "max_position_embeddings")
  }

  @Test func whatFamiliesLackIsRefused() {
    expectRefusal("granite", key: "granite.rope.scaling.finetuned", .bool(false))
    expectRefusal("olmo2", key: "olmo2.attention.sliding_window", .uint32(8))
  }

  @Test func aMistralIsInsideOfMistral3() throws {
    let source = try open(
      "qwen3",
      metadata: {
        let pairs = $0.map { ($0.key.replacingPrefix("qwen3.", with: "mistral3."), $0.value) }
        $0 = OrderedDictionary(uniqueKeysWithValues: pairs)
        $0["general.architecture"] = .string("mistral3")
      })
    #expect(source.config["model_type"]?.string == "mistral" && source.spec.narrowestWindow == nil)
    #expect(source.spec.layers[0].attention.queryScaling == nil)
  }
}

extension String {
  fileprivate func replacingPrefix(_ prefix: String, with other: String) -> String {
    hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
  }
}
