import Artifacts
import Checkpoints
import Compression
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Export to GGUF: grids become ggml's blocks without loss, and the file reads back as the same model.
struct GGUFExportTests {
  let scratch = TestFolder()

  private func quantized(_ scheme: String, embedding: String? = nil) throws -> ModelSource {
    let matrices = try #require(GridScheme(name: scheme)), other = try #require(GridScheme(name: embedding ?? scheme))
    let recipe = QuantizationRecipe(scheme: matrices, embeddingScheme: other)
    try Quantizing.run(try ModelSource.open(stories), recipe: recipe, to: scratch.path("quantized"))
    return try ModelSource.open(scratch.path("quantized"))
  }

  private func export(_ source: ModelSource, _ name: String = "a.gguf", type: DType? = nil) throws -> ModelSource {
    _ = try Exporting.gguf(source, to: scratch.path(name), matrixType: type)
    return try ModelSource.open(gguf: scratch.path(name))
  }

  @Test(
    arguments: [
      ("int8-g32", GGMLType.q8_0), ("int8-row", .q8_0), ("int8-g128", .q8_0), ("int4-g32", .q4_0), ("int4-g64", .q4_0),
      ("int4-row", .q4_0), ("int4-g32-min", .q4_1), ("int4-g128-min", .q4_1), ("int8-g32-min", .f16),
    ])
  func gridsBecomeBlocksOfTheirKind(scheme: String, type: GGMLType) throws {
    let source = try quantized(scheme), exported = try export(source)
    let file = try GGUFFile(path: scratch.path("a.gguf"))
    for spec in source.spec.tensors {
      let expected: GGMLType = spec.shape.count == 1 ? .f32 : spec.shape[1] % 32 == 0 ? type : .f16
      #expect(file.tensors[spec.ggufName]?.type == expected, "\(spec.name)")
      let exact = try source.tensor(spec).readAll(), written = try exported.tensor(spec).readAll()
      #expect(written == (expected == .f16 ? exact.map { halfToFloat(floatToHalf($0)) } : exact), "\(spec.name)")
    }
  }

  /// Q8_0, Q4_0 and Q4_1 pass through codes and all: GGUF to `.lmz` loses nothing.
  @Test(arguments: ["int8-g32", "int4-g32", "int4-g32-min"]) func codesSurviveTheWayThroughGGUF(scheme: String) throws {
    let source = try quantized(scheme), exported = try export(source)
    _ = try Exporting.lmz(exported, to: scratch.path("a.lmz"), recipe: .null)
    let packed = try ModelSource.open(scratch.path("a.lmz"))
    for spec in source.spec.tensors where spec.shape.count == 2 && spec.shape[1] % 32 == 0 {
      let original = try #require(try source.tensor(spec) as? any GridTensorReader).readGrid()
      #expect(try (try exported.tensor(spec) as? any GridTensorReader)?.readGrid() == original, "\(spec.name)")
      #expect(try (try packed.tensor(spec) as? any GridTensorReader)?.readGrid() == original, "\(spec.name)")
    }
  }

  @Test func whatLlamaCppDoesOtherwiseIsSaid() throws {
    var source = try ModelSource.open(Fixtures.path("oracle/mistral_sliding"))
    source.tokenizer = try ModelSource.open(stories).tokenizer
    let notes = try Exporting.gguf(source, to: scratch.path("window.gguf"))
    #expect(notes.contains { $0.contains("sliding window of 8 tokens") })
    #expect(try GGUFFile(path: scratch.path("window.gguf")).metadata["llama.context_length"]?.int == 8)
    let plain = try Exporting.gguf(try ModelSource.open(stories + "/stories260K.bin"), to: scratch.path("plain.gguf"))
    #expect(plain == [])
    let spaces = try Exporting.gguf(try ModelSource.open(stories), to: scratch.path("spaces.gguf"))
    #expect(spaces.contains { $0.contains("extra spaces") })
    #expect(try GGUFFile(path: scratch.path("spaces.gguf")).metadata["tokenizer.ggml.remove_extra_whitespaces"]?.bool == true)
  }

  @Test func roleDecidesTheTypeOfMixedModels() throws {
    _ = try export(try quantized("int4-g32", embedding: "int8-row"))
    let file = try GGUFFile(path: scratch.path("a.gguf"))
    #expect(file.tensors["token_embd.weight"]?.type == .q8_0)
    #expect(file.tensors["blk.0.attn_q.weight"]?.type == .q4_0)
    #expect(file.tensors["blk.0.ffn_down.weight"]?.type == .f16)  // rows of 172, which blocks of 32 do not divide
    #expect(file.metadata["general.file_type"]?.int == 2)
  }

  @Test func theExportSpeaksLikeItsSource() throws {
    let source = try quantized("int8-g32"), exported = try export(source)
    #expect(difference(try logits(exported), try logits(source)) < 2e-3)  // ffn_down was rounded to f16
    let text = "Once upon a time, café 🙂\n"
    #expect(try exported.makeTokenizer().encode(text) == source.makeTokenizer().encode(text))
    #expect(exported.endTokens == source.endTokens)
  }

  @Test func floatsKeepTheirTypeUnlessAnotherIsAskedFor() throws {
    let source = try ModelSource.open(stories), exact = try values(source)
    let plain = try export(source, "f32.gguf")
    #expect(try values(plain) == exact)
    #expect(try logits(plain) == logits(source))
    for (type, stored) in [(DType.f16, GGMLType.f16), (.bf16, .bf16), (.f32, .f32)] {
      _ = try export(source, "\(stored).asked.gguf", type: type)
      let file = try GGUFFile(path: scratch.path("\(stored).asked.gguf"))
      #expect(file.tensors["blk.0.attn_k.weight"]?.type == stored)
      #expect(file.tensors["output_norm.weight"]?.type == .f32)
    }
  }

  @Test func theSameInputGivesTheSameBytes() throws {
    let source = try quantized("int4-g32-min")
    for name in ["a.gguf", "b.gguf"] { _ = try export(source, name) }
    #expect(try contents(scratch.path("a.gguf")) == contents(scratch.path("b.gguf")))
  }

  @Test(arguments: ["llama3_rope", "llama_bias_headdim", "llama_linear_rope", "llama_mha", "llama_gqa_tied"])
  func scalingBiasesAndHeadsSurvive(name: String) throws {
    var source = try ModelSource.open(Fixtures.path("oracle/" + name))
    source.tokenizer = try ModelSource.open(stories).tokenizer
    let exported = try export(source)
    #expect(try values(exported) == values(source))
    let ids: [Int32] = Array(1...40)
    #expect(difference(try logits(exported, ids), try logits(source, ids)) < 1e-5)
  }

  @Test(arguments: [Float.nan, .infinity, 65_600]) func weightsThatDoNotFitAreRefused(value: Float) throws {  // MODEL-5
    let name = "model.layers.3.mlp.up_proj.weight"
    try writeStories(to: scratch.path("broken")) { if $0 == name { $1[64] = value } }
    var broken = try ModelSource.open(scratch.path("broken"))
    broken.tokenizer = try ModelSource.open(stories).tokenizer
    let error = #expect(throws: LMToolError.self) { try export(broken, type: .f16) }
    #expect(error?.rule == "MODEL-5")
    #expect(error?.place == .tensor(name))
    #expect(error?.file == scratch.path("broken"))
    #expect(error?.message.contains("element 64 is") == true)
    #expect(scratch.names == ["broken"])
  }

  @Test func aModelWithoutTokenizerIsRefused() throws {
    let error = #expect(throws: LMToolError.self) { try export(try ModelSource.open(Fixtures.path("oracle/llama_mha"))) }
    #expect(error?.code == .usage)
    #expect(error?.message.contains("--tokenizer") == true)
    #expect(scratch.names == [])
  }
}
