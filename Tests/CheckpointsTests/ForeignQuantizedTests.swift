import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Matrices that others quantized: QUANT-1 to 6 of `formats/foreign-quantized.md`, and fixtures/foreign-quantized/make_quantized.py.
struct ForeignQuantizedTests {
  static let fixtures = [
    "gptq-4", "gptq-8-act", "gptq-2", "awq", "mlx", "mlx-floats", "packed", "fp8-blocks", "fp8-rows", "bnb-nf4", "bnb-fp4",
    "bnb-int8",
  ]
  let folder = TestFolder()

  private func path(_ name: String) -> String { Fixtures.path("foreign-quantized/" + name) }

  private func config(_ name: String) throws -> JSONValue {
    try decodeJSON(JSONValue.self, file: try MappedFile(path: path(name + "/config.json")))
  }

  private func join(_ path: String, _ config: JSONValue) throws -> OrderedDictionary<String, any TensorReader> {
    let quantization = try #require(try ForeignQuantization(config: config))
    return try quantization.join(try SafetensorsCheckpoint(path: path).readers, config: config)
  }

  @Test(arguments: fixtures) func matricesAreThoseThatTheirAuthorsMean(name: String) throws {
    let tensors = try join(path(name), try config(name))
    let expected = try SafetensorsFile(path: path(name + "/expected.safetensors")).tensors
    for (key, other) in expected {
      let tensor = try #require(tensors[key]), values = try tensor.readAll(), exact = try other.readAll()
      #expect(tensor.shape == other.shape, "\(key)")
      let most = exact.map(abs).max() ?? 0, difference = zip(values, exact).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference <= most * 1e-6, "\(key): \(difference) of \(most)")
      guard case .quantized = tensor.storage else { Issue.record("\(key) is \(tensor.storage)"); continue }
    }
    let others = [
      "model.embed_tokens", "model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm",
    ]
    #expect(Set(tensors.keys) == Set(expected.keys).union(others.map { $0 + ".weight" }))
  }

  @Test(arguments: fixtures) func cutsAnyRange(name: String) throws {
    let tensors = try join(path(name), try config(name))
    let tensor = try #require(tensors["model.layers.0.mlp.down_proj.weight"]), whole = try tensor.readAll()
    for range in [0..<1, 31..<33, 5..<100, 64..<128, 63..<1024, 7..<7] { #expect(try read(tensor, range) == Array(whole[range])) }
  }

  private func quantization(_ members: [String: JSONValue]) -> JSONValue {
    .object(["quantization_config": .object(members)])
  }

  @Test func floatsAndOtherMethodsAreNotForeign() throws {
    #expect(try ForeignQuantization(config: .object([:])) == nil)
    #expect(try ForeignQuantization(config: quantization(["quant_method": .string("lmtool")])) == nil)
    #expect(try ForeignQuantization(config: quantization(["quant_method": .string("hqq")])) == nil)
  }

  @Test func numbersMustBeRead() {
    let refused: [[String: JSONValue]] = [
      ["quant_method": .string("gptq"), "bits": .int(3), "group_size": .int(128)],
      ["quant_method": .string("gptq"), "bits": .int(4)],
      ["quant_method": .string("gptq"), "bits": .int(4), "group_size": .int(0)],
      ["quant_method": .string("gptq"), "bits": .int(4), "group_size": .int(1 << 40)],
      ["quant_method": .string("gptq"), "bits": .int(4), "group_size": .int(8), "checkpoint_format": .string("marlin")],
      ["quant_method": .string("gptq"), "bits": .int(4), "group_size": .int(8), "is_marlin_format": .bool(true)],
      ["quant_method": .string("awq"), "bits": .int(4), "group_size": .int(8), "version": .string("gemv")],
      ["quant_method": .string("awq"), "bits": .int(3), "group_size": .int(8)],
      ["quant_method": .string("compressed-tensors"), "format": .string("nvfp4-pack-quantized")],
      ["quant_method": .string("compressed-tensors")],
    ]
    for members in refused { expectRefusal("QUANT-1") { _ = try ForeignQuantization(config: quantization(members)) } }
  }

  /// Writes tensors of zeros.
  private func write(_ entries: [(String, DType, [Int])]) throws -> String {
    let path = folder.path("model\(folder.names.count).safetensors")
    let entries = entries.map { SafetensorsEntry(name: $0.0, dtype: $0.1, shape: $0.2) }
    let writer = try SafetensorsWriter(path: path, entries: entries)
    for entry in entries {
      let zeros = [UInt8](repeating: 0, count: (elementCount(entry.shape) ?? 0) * entry.dtype.size)
      try zeros.withUnsafeBytes { try writer.write(raw: $0) }
    }
    try writer.finish()
    return path
  }

  private func expect(
    _ rule: String, _ config: [String: JSONValue], _ entries: [(String, DType, [Int])], code: LMToolError.Code = .badInput,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let path = try write(entries)
    expectRefusal(rule, code: code, sourceLocation: sourceLocation) { _ = try join(path, quantization(config)) }
  }

  private let gptq: [String: JSONValue] = ["quant_method": .string("gptq"), "bits": .int(4), "group_size": .int(8)]
  private let awq: [String: JSONValue] = ["quant_method": .string("awq"), "bits": .int(4), "group_size": .int(8)]
  private let mlx: [String: JSONValue] = ["bits": .int(4), "group_size": .int(32)]
  private let packed: [String: JSONValue] = ["quant_method": .string("compressed-tensors"), "format": .string("pack-quantized")]
  private let fp8: [String: JSONValue] = ["quant_method": .string("fp8"), "weight_block_size": .array([.int(4), .int(4)])]

  @Test func gptqPartsMustFit() throws {
    let sound: [(String, DType, [Int])] = [
      ("a.qweight", .i32, [2, 8]), ("a.qzeros", .i32, [2, 1]), ("a.scales", .f16, [2, 8]),
    ]
    #expect(try join(try write(sound), quantization(gptq))["a.weight"]?.shape == [8, 16])
    for (index, wrong): (Int, (DType, [Int])) in [
      (0, (.f32, [2, 8])), (0, (.i32, [2, 9])), (0, (.i32, [16])), (0, (.i32, [0, 8])), (1, (.i32, [2, 2])), (1, (.i8, [2, 1])),
      (2, (.f16, [1, 8])), (2, (.i32, [2, 8])),
    ] {
      var parts = sound
      (parts[index].1, parts[index].2) = wrong
      try expect("QUANT-2", gptq, parts)
    }
    try expect("QUANT-2", gptq, Array(sound.dropLast()), code: .missingInput)
    try expect("QUANT-2", gptq, sound + [("a.g_idx", .i32, [15])])
    try expect("QUANT-4", gptq, sound + [("a.weight", .f16, [8, 16])])
    let path = try write(sound + [("a.g_idx", .i32, [16])])
    var file = try contents(path)
    // g_idx is the last tensor of the file; its last number names a third group, then a negative one.
    for value in [Int32(2), -1] {
      file.replaceSubrange(file.count - 4..<file.count, with: bytes(value))
      let changed = try folder.write("changed\(value).safetensors", file)
      expectRefusal("QUANT-3") { _ = try join(changed, quantization(gptq)) }
    }
  }

  @Test func otherPartsMustFit() throws {
    try expect("QUANT-2", awq, [("a.qweight", .i32, [16, 1]), ("a.qzeros", .i32, [2, 2]), ("a.scales", .f16, [2, 8])])
    try expect("QUANT-2", awq, [("a.qweight", .i32, [16]), ("a.qzeros", .i32, [2, 1]), ("a.scales", .f16, [2, 8])])
    try expect("QUANT-2", mlx, [("a.weight", .u32, [4, 4]), ("a.scales", .f16, [4, 2]), ("a.biases", .f16, [4, 1])])
    try expect("QUANT-2", mlx, [("a.weight", .f16, [4, 4]), ("a.scales", .f16, [4, 1]), ("a.biases", .f16, [4, 1])])
    try expect("QUANT-2", mlx, [("a.weight", .u32, [4, 4]), ("a.scales", .f16, [4, 1])], code: .missingInput)
    try expect("QUANT-1", ["bits": .int(7), "group_size": .int(32)], [("a.weight", .u32, [4, 4]), ("a.scales", .f16, [4, 1])])
    try expect(
      "QUANT-1", ["bits": .int(4), "group_size": .int(32), "mode": .string("nvfp4")],
      [("a.weight", .u32, [4, 4]), ("a.scales", .u8, [4, 2])])
    try expect(
      "QUANT-1", ["bits": .int(4), "group_size": .int(32), "mode": .string("other")],
      [("a.weight", .u32, [4, 4]), ("a.scales", .u8, [4, 1])])
    let mxfp4: [String: JSONValue] = ["bits": .int(4), "group_size": .int(32), "mode": .string("mxfp4")]
    for (codes, scales): ((DType, [Int]), (DType, [Int])) in [
      ((.u32, [4, 3]), (.u8, [4, 1])), ((.u32, [4, 4]), (.u8, [4, 2])), ((.u32, [4, 4]), (.f16, [4, 1])),
      ((.f32, [4, 4]), (.u8, [4, 1])),
      ((.u32, [16]), (.u8, [4, 1])),
    ] {
      try expect("QUANT-2", mxfp4, [("a.weight", codes.0, codes.1), ("a.scales", scales.0, scales.1)])
    }
    try expect(
      "QUANT-2", packed, [("a.weight_packed", .i32, [4, 4]), ("a.weight_scale", .f16, [4, 2]), ("a.weight_shape", .i64, [2])])
    for shape in [[5], [4, 2], [2, 2, 2], [0]] {
      try expect("QUANT-2", fp8, [("a.weight", .f8e4m3, [8, 12]), ("a.weight_scale_inv", .f32, shape)])
    }
    try expect("QUANT-2", fp8, [("a.weight", .f32, [8, 12]), ("a.weight_scale_inv", .f32, [2, 3])])
    try expect("QUANT-2", fp8, [("a.weight", .f8e4m3, [0, 12]), ("a.weight_scale_inv", .f32, [0, 3])])
    try expect("QUANT-2", fp8, [("a.weight_scale_inv", .f32, [2, 3])], code: .missingInput)
  }

  // MARK: QUANT-6

  private let bitsAndBytes: [String: JSONValue] = ["quant_method": .string("bitsandbytes")]

  /// Writes bytes and zeros as the parts of a matrix in 4 bits, 4 outputs of 8 inputs in blocks of 8.
  private func expectLookup(
    _ rule: String, state: String, kind: String = "nf4", codes: Int = 16, table: Int = 16, blocks: Int = 4,
    isNested: Bool = false,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let state = bytes(state)
    var entries: [SafetensorsEntry] = [
      SafetensorsEntry(name: "a.weight", dtype: .u8, shape: [codes, 1]),
      SafetensorsEntry(name: "a.weight.quant_map", dtype: .f32, shape: [table]),
      SafetensorsEntry(name: "a.weight.absmax", dtype: isNested ? .u8 : .f32, shape: [blocks]),
    ]
    if isNested {
      entries.append(SafetensorsEntry(name: "a.weight.nested_absmax", dtype: .f32, shape: [2]))
      entries.append(SafetensorsEntry(name: "a.weight.nested_quant_map", dtype: .f32, shape: [256]))
    }
    entries.append(SafetensorsEntry(name: "a.weight.quant_state.bitsandbytes__" + kind, dtype: .u8, shape: [state.count]))
    let path = folder.path("bnb\(folder.names.count).safetensors"), writer = try SafetensorsWriter(path: path, entries: entries)
    for entry in entries.dropLast() {
      let zeros = [UInt8](repeating: 0, count: (elementCount(entry.shape) ?? 0) * entry.dtype.size)
      try zeros.withUnsafeBytes { try writer.write(raw: $0) }
    }
    try state.withUnsafeBytes { try writer.write(raw: $0) }
    try writer.finish()
    let config = quantization(bitsAndBytes)
    guard rule != "" else {
      return #expect(
        try join(path, config)["a.weight"]?.readAll() == [Float](repeating: 0, count: 32), sourceLocation: sourceLocation)
    }
    expectRefusal(rule, sourceLocation: sourceLocation) { _ = try join(path, config) }
  }

  private func state(_ members: String) -> String { #"{"quant_type": "nf4", "blocksize": 8, "dtype": "float32", \#(members)}"# }

  @Test func fourBitPartsMustFit() throws {
    let sound = state(#""shape": [4, 8]"#)
    try expectLookup("", state: sound)
    try expectLookup("", state: state(#""shape": [4, 8], "nested_blocksize": 2, "nested_offset": 0.0"#), isNested: true)
    for wrong in [
      "", "[", "{}", sound.replacing("nf4", with: "int4"), sound.replacing("8,", with: "0,"), sound.replacing("8,", with: "-8,"),
      state(#""shape": [32]"#), state(#""shape": [4, 9]"#), state(#""shape": [-4, -8]"#), state(#""shape": [0, 8]"#),
      state(#""shape": [4611686018427387904, 8]"#),
    ] {
      try expectLookup("QUANT-6", state: wrong)
    }
    try expectLookup("QUANT-6", state: sound, codes: 15)
    try expectLookup("QUANT-2", state: sound, table: 15)
    try expectLookup("QUANT-2", state: sound, blocks: 3)
    try expectLookup("QUANT-6", state: sound, isNested: true)
    try expectLookup("QUANT-6", state: state(#""shape": [4, 8], "nested_blocksize": 0, "nested_offset": 0.0"#), isNested: true)
    try expectLookup("QUANT-2", state: state(#""shape": [4, 8], "nested_blocksize": 4, "nested_offset": 0.0"#), isNested: true)
    try expect("QUANT-2", bitsAndBytes, [("a.weight", .u8, [16, 1]), ("a.weight.absmax", .f32, [4])], code: .missingInput)
  }

  @Test func byteCodesLieInRows() throws {
    let sound: [(String, DType, [Int])] = [("a.weight", .i8, [4, 8]), ("a.SCB", .f32, [4]), ("a.weight_format", .u8, [])]
    let path = try write(sound)
    #expect(try join(path, quantization(bitsAndBytes))["a.weight"]?.shape == [4, 8])
    var file = try contents(path)
    file[file.count - 1] = 2
    let changed = try folder.write("col_turing.safetensors", file)
    expectRefusal("QUANT-6") { _ = try join(changed, quantization(bitsAndBytes)) }
    try expect("QUANT-2", bitsAndBytes, [("a.weight", .i8, [4, 8]), ("a.SCB", .f32, [5])])
    try expect("QUANT-2", bitsAndBytes, [("a.weight", .f16, [4, 8]), ("a.SCB", .f32, [4])])
  }
}
