import Artifacts
import Checkpoints
import Compression
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Models whose layers differ in size, as GGUF files (GGUF-16, GGUF-17).
struct PrunedGGUFTests {
  let scratch = TestFolder()
  private let keys = ["attention.head_count", "attention.head_count_kv", "feed_forward_length"].map { "deci." + $0 }

  /// A model of a folder with fewer heads and channels in one layer than in the others.
  private func pruned(_ folder: String = stories, heads: Bool = true, channels: Bool = true) throws -> ModelSource {
    let source = try ModelSource.open(folder)
    var kept = KeptParts(of: source.spec)
    if heads { kept.layers[1].groups.removeFirst() }
    if channels { kept.layers[0].channels.removeSubrange(3..<9) }
    var result = try source.pruned(to: kept)
    result.tokenizer = try ModelSource.open(stories).tokenizer
    return result
  }

  private func export(_ source: ModelSource) throws -> String {
    _ = try Exporting.gguf(source, to: scratch.path("a.gguf"))
    return scratch.path("a.gguf")
  }

  @Test func sizesOfLayersAreArrays() throws {
    let source = try pruned(), path = try export(source), file = try GGUFFile(path: path)
    #expect(file.metadata["general.architecture"]?.string == "deci")
    #expect(keys.map { file.metadata[$0]?.ints } == [[8, 6, 8, 8, 8], [4, 3, 4, 4, 4], [166, 172, 172, 172, 172]])
    let back = try ModelSource.open(gguf: path)
    #expect(back.unused == [] && back.spec.layers.map(LayerSizes.init) == source.spec.layers.map(LayerSizes.init))
    #expect(difference(try logits(back), try logits(source)) < 1e-5)
    try Importing.run(back, to: scratch.path("imported"))
    #expect(difference(try logits(try .open(scratch.path("imported"))), try logits(source)) < 1e-5)
  }

  @Test func whatAllLayersShareIsANumber() throws {
    let source = try pruned(heads: false), file = try GGUFFile(path: try export(source))
    #expect(keys.map { file.metadata[$0]?.int } == [8, 4, nil])
    #expect(difference(try logits(try .open(gguf: file.file.path)), try logits(source)) < 1e-5)
    let plain = try GGUFFile(path: try export(try .open(stories)))
    #expect(plain.metadata["general.architecture"]?.string == "llama")
  }

  /// Elsewhere llama.cpp takes the sizes of the first layer for all.
  @Test func otherFamiliesAreFilledUp() throws {
    let source = try pruned(Fixtures.path("families/granite"))
    let error = expectFailure(.usage) { _ = try export(source) }
    #expect(error?.rule == "MODEL-12" && error?.message.contains("--pad") ?? false)
    let back = try ModelSource.open(gguf: try export(try source.padded()))
    #expect(difference(try logits(back, [1, 5, 9]), try logits(source, [1, 5, 9])) < 1e-5)
  }

  /// The file of a pruned model with other metadata; tensors are zero.
  private func changed(
    _ source: ModelSource, _ change: (inout OrderedDictionary<String, GGUFValue>) -> Void
  ) throws -> ModelSource {
    let file = try GGUFFile(path: try export(source))
    var metadata = file.metadata
    change(&metadata)
    let entries = file.tensors.values.map { GGUFTensorEntry(name: $0.name, shape: $0.shape, type: .f32) }
    let writer = try GGUFWriter(path: scratch.path("b.gguf"), metadata: metadata, tensors: entries)
    for entry in entries {
      try [Float](repeating: 0, count: entry.shape.reduce(1, *)).withUnsafeBufferPointer { try writer.write(floats: $0) }
    }
    try writer.finish()
    return try ModelSource.open(gguf: scratch.path("b.gguf"))
  }

  private static let hostile: [(key: Int, value: GGUFValue, rule: String)] = [
    (0, .array(.int32([8, 6, 8, 8])), "GGUF-16"), (0, .array(.int32([8, 6, 8, 8, 8, 8])), "GGUF-16"),
    (0, .array(.int32([])), "GGUF-16"), (0, .array(.float32([8, 6, 8, 8, 8])), "GGUF-16"),
    (0, .array(.string([[56]])), "GGUF-16"), (0, .string("8"), "MODEL-2"), (0, .array(.int32([8, 0, 8, 8, 8])), "MODEL-2"),
    (0, .array(.int32([8, -6, 8, 8, 8])), "MODEL-2"), (0, .array(.uint64([8, 6, 8, 8, .max])), "GGUF-16"),
    (1, .array(.int32([4, 4, 4, 4, 4])), "GGUF-16"),
    (1, .array(.int32([4, 3, 4, 4, 5])), "GGUF-16"), (1, .uint32(0), "MODEL-2"), (2, .array(.int32([166, 172])), "GGUF-16"),
    (2, .array(.int32([166, 172, 172, 172, 1 << 25])), "MODEL-2"), (2, .float32(172), "MODEL-2"),
    (2, .array(.int32([166, 172, 172, 172, 0])), "MODEL-2"),
  ]

  @Test(arguments: hostile.indices) func brokenSizesAreRefused(index: Int) throws {
    let (key, value, rule) = Self.hostile[index]
    let source = try pruned()
    let error = expectFailure(.badInput) { _ = try changed(source) { $0[keys[key]] = value } }
    #expect(error?.rule == rule && error?.place == .key(keys[key]), "\(String(describing: error))")
  }

  /// Sizes that the tensors do not have.
  @Test func otherSizesThanThoseOfTheTensorsAreRefused() throws {
    let source = try pruned()
    let error = expectFailure(.badInput) {
      _ = try changed(source) { $0[keys[2]] = .array(.int32([166, 172, 172, 171, 172])) }
    }
    #expect(error?.rule == "MODEL-4")
  }

  @Test func arraysOfOtherArchitecturesAreOfEqualNumbers() throws {
    let source = try ModelSource.open(stories)
    let equal = try changed(source) { $0["llama.attention.head_count"] = .array(.uint16([8, 8, 8, 8, 8])) }
    #expect(equal.spec == source.spec && equal.isPlain)
    let error = expectFailure(.badInput) {
      _ = try changed(source) { $0["llama.attention.head_count"] = .array(.int32([8, 4, 8, 8, 8])) }
    }
    #expect(error?.rule == "GGUF-17")
  }
}
