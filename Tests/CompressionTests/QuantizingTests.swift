import Artifacts
import Compression
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing

/// Quantize: which matrices become integers, and that the model still says the same.
struct QuantizingTests {
  let scratch = TestFolder()

  private func scheme(_ name: String) throws -> GridScheme { try #require(GridScheme(name: name)) }

  private func quantize(_ recipe: QuantizationRecipe, _ name: String = "quantized") throws -> ModelSource {
    try Quantizing.run(try ModelSource.open(stories), recipe: recipe, to: scratch.path(name))
    return try ModelSource.open(scratch.path(name))
  }

  @Test func matricesGetTheirSchemeByRole() throws {
    let recipe = QuantizationRecipe(scheme: try scheme("int4-g64"), embeddingScheme: try scheme("int8-row"))
    let quantized = try quantize(recipe)
    for spec in quantized.spec.tensors {
      let expected =
        spec.shape.count == 1 ? Storage.plain(.f32) : .quantized(spec.role == .embedding ? "int8-row" : "int4-g64")
      #expect(try quantized.tensor(spec).storage == expected, "\(spec.name)")
    }
  }

  @Test func anEmbeddingWithoutSchemeAndKeptTensorsAreF16() throws {
    let source = try values(try ModelSource.open(stories))
    let recipe = QuantizationRecipe(scheme: try scheme("int8-g32"), embeddingScheme: nil, keep: ["*layers.0.*", "*.down_proj.*"])
    let quantized = try quantize(recipe)
    for spec in quantized.spec.tensors where spec.shape.count == 2 {
      let isKept = spec.layer == 0 || spec.role == .embedding || spec.name.contains("down_proj")
      #expect(try quantized.tensor(spec).storage == (isKept ? .plain(.f16) : .quantized("int8-g32")), "\(spec.name)")
      guard isKept, let exact = source[spec.name] else { continue }
      #expect(try quantized.tensor(spec).readAll() == exact.map { halfToFloat(floatToHalf($0)) })
    }
  }

  @Test(
    arguments: [
      ("int8-g32", Float(0.02)), ("int8-row", 0.05), ("int8-g128-min", 0.05), ("int4-g32", 0.35), ("int4-g32-min", 0.3),
      ("int4-g128", 0.5), ("int4-row-min", 0.5),
    ])
  func logitsStayCloseToTheFloatModel(name: String, limit: Float) throws {
    let scheme = try scheme(name)
    let quantized = try quantize(QuantizationRecipe(scheme: scheme, embeddingScheme: scheme))
    let distance = difference(try logits(quantized), try logits(try ModelSource.open(stories)))
    #expect(distance > 0 && distance < limit, "\(distance)")
  }

  @Test func rowsThatGroupsDoNotDivideHaveAShorterLastGroup() throws {
    let name = "model.layers.0.mlp.down_proj.weight"  // 64 x 172
    let recipe = QuantizationRecipe(scheme: try scheme("int8-g128"), embeddingScheme: try scheme("int8-g128"))
    let quantized = try quantize(recipe)
    let grid = try #require(quantized.tensors[name] as? any GridTensorReader).readGrid()
    #expect(grid.layout.groupsPerRow == 2)
    let exact = try #require(try ModelSource.open(stories).tensors[name]).readAll()
    #expect(difference(grid.dequantized(), exact) < 0.01)
    let narrow = try #require(quantized.tensors["model.layers.0.mlp.up_proj.weight"] as? any GridTensorReader)
    #expect(try narrow.readGrid().layout.groupsPerRow == 1)  // 64 columns, fewer than the group
  }

  @Test func aPatternThatMatchesNothingIsRefused() throws {
    let recipe = QuantizationRecipe(scheme: try scheme("int8-g32"), embeddingScheme: nil, keep: ["*norm*", "*laers.0*"])
    let error = #expect(throws: LMToolError.self) { try quantize(recipe) }
    #expect(error?.code == .usage)
    #expect(error?.message.contains("*laers.0*") == true)
    #expect(scratch.names == [])
  }

  @Test func quantizingTwiceIsRefused() throws {
    let once = try quantize(.int8)
    let error = #expect(throws: LMToolError.self) { try Quantizing.run(once, recipe: .int4, to: scratch.path("twice")) }
    #expect(error?.code == .usage)
    #expect(error?.message.contains("quantized already") == true)
    #expect(scratch.names == ["quantized"])
  }

  @Test func blocksOfOtherFormatsMayBeQuantized() throws {
    let source = try ModelSource.open(stories + "/stories260K-q8.bin")
    try Quantizing.run(source, recipe: .int8, to: scratch.path("quantized"))
    #expect(difference(try logits(try ModelSource.open(scratch.path("quantized"))), try logits(source)) < 0.02)
  }

  @Test(arguments: [Float.nan, .infinity]) func weightsThatAreNotFiniteLeaveNothingBehind(value: Float) throws {  // MODEL-5, Q-12
    for name in ["model.layers.1.mlp.up_proj.weight", "model.norm.weight"] {
      let scratch = TestFolder()
      try writeStories(to: scratch.path("broken")) { if $0 == name { $1[3] = value } }
      let broken = try ModelSource.open(scratch.path("broken"))
      let error = #expect(throws: LMToolError.self) { try Quantizing.run(broken, recipe: .int4, to: scratch.path("quantized")) }
      #expect(error?.code == .badInput)
      #expect(error?.place == .tensor(name))
      #expect(error?.file == scratch.path("broken"))
      #expect(scratch.names == ["broken"])
    }
  }
}

/// Patterns of `--keep`: the name as a whole, `*` for any run of characters.
struct KeepPatternTests {
  private func keeps(_ name: String, _ pattern: String) -> Bool { QuantizationRecipe.matches(name, pattern: pattern) }

  @Test func aNameThatMatchesIsKept() {
    let tensor = TensorSpec(.up, layer: 0, shape: [2, 2]), int8 = GridScheme(name: "int8-row")!
    for (pattern, scheme) in [("*up_proj*", nil), ("*down_proj*", int8)] {
      #expect(QuantizationRecipe(scheme: int8, embeddingScheme: nil, keep: [pattern]).scheme(of: tensor) == scheme)
    }
  }

  @Test(
    arguments: [
      ("a.b.c", "a.b.c"), ("a.b.c", "*"), ("a.b.c", "**"), ("a.b.c", "a*"), ("a.b.c", "*c"), ("a.b.c", "*b*"), ("a.b.c", "a*.*c"),
      ("aaab", "*ab"), ("abab", "ab*ab"), ("a.b.c", "a.b.c*"), ("ü*", "ü*"), ("", "*"), ("", ""),
    ])
  func matches(name: String, pattern: String) { #expect(keeps(name, pattern)) }

  @Test(
    arguments: [
      ("a.b.c", "a.b"), ("a.b.c", "b"), ("a.b.c", "A.B.C"), ("a.b.c", ""), ("a.b.c", "a?b?c"), ("a.b.c", "a.b.c.*"),
      ("ab", "ab*ab"),
      ("a.b.c", "[a].b.c"), ("a.b.c", "*d*"), ("", "a"),
    ])
  func doesNotMatch(name: String, pattern: String) { #expect(!keeps(name, pattern)) }

  @Test func manyStarsCostNoMoreThanTheProductOfTheLengths() {
    let name = String(repeating: "a", count: 2000)
    #expect(!keeps(name, String(repeating: "*a", count: 500) + "b"))
  }
}
