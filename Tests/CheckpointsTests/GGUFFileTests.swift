import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Real GGUF files: those of other writers.
struct GGUFFileTests {
  @Test func readsTheModelOfTheFixture() throws {
    let file = try GGUFFile(path: Fixtures.path("stories260K/stories260K-f32.gguf"))
    #expect(file.version == 3)
    #expect(file.alignment == 32)
    #expect(file.metadata["general.architecture"] == .string("llama"))
    #expect(file.metadata["llama.block_count"]?.int == 5)
    #expect(file.metadata["tokenizer.ggml.tokens"]?.strings?.count == 512)
    #expect(file.metadata["tokenizer.ggml.tokens"]?.strings?[2] == bytes("</s>"))
    #expect(file.metadata["tokenizer.ggml.scores"]?.floats?.count == 512)
    #expect(file.metadata["tokenizer.ggml.token_type"]?.ints?.first == 2)
    #expect(file.tensors["blk.0.attn_k.weight"]?.shape == [32, 64])
  }

  @Test func holdsTheSameEmbeddingAsTheSafetensorsModel() throws {
    let gguf = try #require(try GGUFFile(path: Fixtures.path("stories260K/stories260K-f32.gguf")).tensors["token_embd.weight"])
    let model = try SafetensorsCheckpoint(path: Fixtures.path("stories260K/model.safetensors"))
    #expect(try gguf.readAll() == model.tensors["model.embed_tokens.weight"]?.readAll())
  }

  @Test(arguments: ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "I8", "I16", "I32", "I64", "F64"])
  func decodesAsGGUFPyDoes(type: String) throws {
    let file = try GGUFFile(path: Fixtures.path("gguf/blocks.gguf"))
    let tensor = try #require(file.tensors[type])
    #expect(tensor.type.name == type)
    #expect(tensor.storage.description == type)
    let expected = try #require(file.tensors[type + ".f32"]).readAll()
    #expect(bits(try tensor.readAll()) == bits(expected))
  }

  @Test(arguments: ["F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
  func cutsAnyRangeOutOfBlocks(type: String) throws {
    let file = try GGUFFile(path: Fixtures.path("gguf/blocks.gguf"))
    let tensor = try #require(file.tensors[type])
    let expected = try #require(file.tensors[type + ".f32"]).readAll()
    for start in [0, 1, 31, 32, 33, 64, 100, 447] {
      for count in [0, 1, 2, 31, 32, 33, 64, 65, 95, 97] where start + count <= expected.count {
        let range = start..<(start + count)
        #expect(bits(try read(tensor, range)) == bits(Array(expected[range])), "\(range)")
      }
    }
  }

  /// The types of more than 32 codes and a scale.
  private static let large = [
    "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_K", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL",
    "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0", "Q2_0",
  ]

  @Test(arguments: large) func decodesAsGGMLDoes(type: String) throws {
    let file = try GGUFFile(path: Fixtures.path("gguf/super-blocks.gguf"))
    let tensor = try #require(file.tensors[type])
    #expect(tensor.type.name == type)
    let expected = try #require(file.tensors[type + ".f32"]).readAll()
    #expect(Set(expected).count > 1)
    #expect(bits(try tensor.readAll()) == bits(expected))
    for range in [0..<1, 1..<256, 255..<257, 300..<700, 512..<768, 767..<768] {
      #expect(bits(try read(tensor, range)) == bits(Array(expected[range])), "\(range)")
    }
  }

  @Test func readsMetadataOfEveryKind() throws {
    let metadata = try GGUFFile(path: Fixtures.path("gguf/blocks.gguf")).metadata
    let expected: OrderedDictionary<String, GGUFValue> = [
      "a.uint8": .uint8(255), "a.int8": .int8(-128), "a.uint16": .uint16(65535), "a.int16": .int16(-32768),
      "a.uint32": .uint32(.max), "a.int32": .int32(.min), "a.float32": .float32(0.1), "a.bool": .bool(true),
      "a.string": .string("Grüße, 世界"), "a.uint64": .uint64(.max), "a.int64": .int64(.min), "a.float64": .float64(0.1),
      "a.strings": .array(.string([[], bytes("a"), bytes("ü")])), "a.ints": .array(.int32([1, -2, 3])),
      "a.floats": .array(.float32([0.5, -0.25])), "a.bools": .array(.bool([true, false, true])),
    ]
    for (key, value) in expected { #expect(metadata[key] == value) }
    #expect(Array(metadata.keys.suffix(expected.count)) == Array(expected.keys))
  }

  @Test func readsTheSameAfterDiscarding() throws {
    let tensor = try #require(try GGUFFile(path: Fixtures.path("stories260K/stories260K-f32.gguf")).tensors["token_embd.weight"])
    let values = try tensor.readAll()
    tensor.discard()
    #expect(try tensor.readAll() == values)
    let mapped: any MappedTensor = tensor
    #expect(mapped.file.withBytes(mapped.range) { Array($0) } == tensor.withBytes { Array($0) })
  }

  @Test func convertsValuesOnlyWhereTheyFit() {
    #expect(GGUFValue.uint64(.max).int == nil)
    #expect(GGUFValue.uint64(7).int == 7)
    #expect(GGUFValue.float32(1).int == nil)
    #expect(GGUFValue.float64(0.5).float == 0.5)
    #expect(GGUFValue.array(.uint64([.max])).ints == nil)
    #expect(GGUFValue.array(.int8([-1])).ints == [-1])
    #expect(GGUFValue.array(.float64([0.5])).floats == [0.5])
    #expect(GGUFValue.array(.float32([0.5])).ints == nil)
    #expect(GGUFValue.bool(true).int == nil)
    #expect(GGUFValue.array(.int32([1])).strings == nil)
  }

  @Test func knowsTheSizesOfAllTypes() {
    for type in GGMLType.allCases {
      #expect(type.byteCount([3, 256]) == 3 * 256 / type.blockSize * type.bytesPerBlock, "\(type)")
      #expect(type.blockSize == 1 || type.byteCount([3, 255]) == nil, "\(type)")
    }
    #expect(GGMLType.iq2_XXS.name == "IQ2_XXS" && GGMLType.mxfp4.name == "MXFP4")
    #expect(GGMLType.f64.byteCount([1 << 62]) == nil)
  }
}
