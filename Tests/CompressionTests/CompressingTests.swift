import Artifacts
import Compression
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing

/// Compress: the best recipe that fits a budget, or a clear no.
struct CompressingTests {
  let scratch = TestFolder()

  private func compress(_ name: String, budget: Int?) throws -> CompressionReport {
    try Compressing.run(try ModelSource.open(stories), to: scratch.path(name), budget: budget)
  }

  @Test func theBudgetChoosesTheRecipe() throws {
    let names = ["a.lmz", "b.lmz", "c.lmz", "d.lmz"]
    var reports: [CompressionReport] = []
    for name in names { reports.append(try compress(name, budget: reports.last.map { $0.bytes - 1 })) }
    let choices = ["int8", "int4 with minimum, int8 embedding", "int4, int8 embedding", "int4"]
    #expect(reports.map(\.choice) == choices)
    for (report, name) in zip(reports, names) {
      #expect(report.verification.passed)
      #expect(try report.bytes == contents(scratch.path(name)).count)
      #expect(report.originalBytes > 1_000_000)
    }
    let least = reports[3]
    #expect(least.tooLarge == Dictionary(uniqueKeysWithValues: zip(choices, reports.map(\.bytes)).prefix(3).map { ($0, $1) }))

    let error = #expect(throws: LMToolError.self) { try compress("e.lmz", budget: least.bytes - 1) }
    #expect(error?.code == .usage)
    #expect(error?.message.contains("\(least.bytes)") == true)
    #expect(scratch.names == names)
  }

  @Test func theSameInputGivesTheSameBytes() throws {
    for name in ["a.lmz", "b.lmz"] { _ = try compress(name, budget: 200_000) }
    #expect(try contents(scratch.path("a.lmz")) == contents(scratch.path("b.lmz")))
  }

  @Test func aGivenRecipeIsTheOnlyOne() throws {
    let source = try ModelSource.open(stories)
    let scheme = try #require(GridScheme(name: "int8-row"))
    let recipe = QuantizationRecipe(scheme: scheme, embeddingScheme: nil)
    #expect(throws: LMToolError.self) {
      try Compressing.run(source, to: scratch.path("a.lmz"), budget: 100_000, recipe: recipe)
    }
    #expect(scratch.names == [])
    let report = try Compressing.run(source, to: scratch.path("a.lmz"), budget: nil, recipe: recipe)
    #expect(report.recipe?["scheme"]?.string == "int8-row")
    #expect(report.recipe?["embedding_scheme"]?.string == "f16")
  }

  @Test func codesOfAQuantizedSourceAreKept() throws {
    try Quantizing.run(try ModelSource.open(stories), recipe: .int4, to: scratch.path("quantized"))
    let quantized = try ModelSource.open(scratch.path("quantized"))
    let report = try Compressing.run(quantized, to: scratch.path("a.lmz"), budget: nil)
    #expect(report.verification.passed)
    #expect(try values(try ModelSource.open(scratch.path("a.lmz"))) == values(quantized))
  }

  @Test(arguments: ["/stories260K.bin", "/stories260K-q8.bin", "/stories260K-f32.gguf"])
  func everyFormIsCompressed(form: String) throws {
    let report = try Compressing.run(try ModelSource.open(stories + form), to: scratch.path("a.lmz"), budget: 300_000)
    #expect(report.verification.passed)
    let provenance = try Artifact(path: scratch.path("a.lmz")).manifest.provenance
    #expect(provenance.sources.contains { "/" + $0.name == form })
  }

  @Test func brokenWeightsLeaveNothingBehind() throws {
    try writeStories(to: scratch.path("broken")) {
      if $0 == "model.layers.4.mlp.down_proj.weight" { $1[0] = .nan }
    }
    let broken = try ModelSource.open(scratch.path("broken"))
    let error = #expect(throws: LMToolError.self) { try Compressing.run(broken, to: scratch.path("a.lmz"), budget: nil) }
    #expect(error?.code == .badInput)
    #expect(scratch.names == ["broken"])
  }
}
