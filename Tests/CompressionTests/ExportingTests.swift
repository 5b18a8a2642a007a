import Artifacts
import Compression
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Export to `.lmz`: the same bytes every time, the same numbers as its source, and where they come from.
struct ExportingTests {
  let scratch = TestFolder()
  private let recipe = JSONValue.object(["test": .bool(true)])

  private func quantized(_ recipe: QuantizationRecipe = .int4) throws -> ModelSource {
    try Quantizing.run(try ModelSource.open(stories), recipe: recipe, to: scratch.path("quantized"))
    return try ModelSource.open(scratch.path("quantized"))
  }

  @Test func theSameInputGivesTheSameBytes() throws {
    let source = try quantized()
    let sizes = try ["a.lmz", "b.lmz"].map { try Exporting.lmz(source, to: scratch.path($0), recipe: recipe) }
    let (first, second) = (try contents(scratch.path("a.lmz")), try contents(scratch.path("b.lmz")))
    #expect(first == second)
    #expect(sizes == [first.count, first.count])
  }

  @Test func anArtifactHoldsTheCodesOfItsSource() throws {
    let source = try quantized()
    _ = try Exporting.lmz(source, to: scratch.path("a.lmz"), recipe: recipe)
    let artifact = try ModelSource.open(scratch.path("a.lmz"))
    #expect(artifact.spec == source.spec)
    for (name, tensor) in source.tensors {
      let stored = try #require(artifact.tensors[name])
      #expect(stored.storage == tensor.storage)
      guard let grid = tensor as? any GridTensorReader else { continue }
      #expect(try (stored as? any GridTensorReader)?.readGrid() == grid.readGrid(), "\(name)")
    }
    #expect(try values(artifact) == values(source))
    #expect(try logits(artifact) == logits(source))
  }

  @Test func floatMatricesAreF16UnlessAnotherTypeIsAskedFor() throws {
    let source = try ModelSource.open(stories)
    for (type, stored) in [(nil, DType.f16), (.f32, .f32), (.bf16, .bf16)] as [(DType?, DType)] {
      let path = scratch.path("\(stored).lmz")
      _ = try Exporting.lmz(source, to: path, matrixType: type, recipe: recipe)
      let artifact = try ModelSource.open(path)
      for tensor in artifact.tensors.values {
        #expect(tensor.storage == .plain(tensor.shape.count == 2 ? stored : .f32), "\(tensor.name)")
      }
      if type == .f32 { #expect(try values(artifact) == values(source)) }
      #expect(try Verifying.run(path).passed)
    }
  }

  @Test func tokenizerAndProvenanceAreInside() throws {
    _ = try Exporting.lmz(try ModelSource.open(stories), to: scratch.path("a.lmz"), recipe: recipe)
    let provenance = try Artifact(path: scratch.path("a.lmz")).manifest.provenance
    let hashes = [
      "model.safetensors": "407a7c581bdd66972383ce9ad24857713fb98786d06ea564a2fe9b34ebe77dfd",
      "config.json": "45502c21199654bb6c37ae035cd04a5759b937c307417bff2b632779e603ba95",
      "tokenizer.model": "dfff07d929db979913f166ec94a6f5ecad4c70cfed8eb5c9cbe7e464455e46f5",
    ]
    for (name, hash) in hashes {
      let source = provenance.sources.first { $0.name == name }
      #expect(source?.sha256 == hash)
      #expect(try source?.size == contents(stories + "/" + name).count)
    }
    #expect(provenance.recipe == recipe)
    let text = "Once upon a time, café 🙂\n"
    let ids = try ModelSource.open(stories).makeTokenizer().encode(text)
    #expect(try ModelSource.open(scratch.path("a.lmz")).makeTokenizer().encode(text) == ids)
  }

  @Test func theTranscriptIsWhatTheModelSays() throws {
    _ = try Exporting.lmz(try ModelSource.open(stories), to: scratch.path("a.lmz"), matrixType: .f32, recipe: recipe)
    let transcript = try #require(try Artifact(path: scratch.path("a.lmz")).manifest.transcript)
    #expect(transcript.generated.count == 48)
    #expect(transcript.text?.hasPrefix(", there was a little girl named Lily. She loved to play outside in the park.") == true)
  }

  @Test func aFileAboveTheLimitIsNotWritten() throws {
    let source = try quantized()
    let size = try Exporting.lmz(source, to: scratch.path("a.lmz"), recipe: recipe, limit: 1_000_000)
    #expect(try Exporting.lmz(source, to: scratch.path("exact.lmz"), recipe: recipe, limit: size) == size)
    #expect(try Exporting.lmz(source, to: scratch.path("small.lmz"), recipe: recipe, limit: size - 1) == size)
    #expect(scratch.names == ["a.lmz", "exact.lmz", "quantized"])
  }

  @Test func whatF16CannotHoldIsNamedAsItIs() throws {  // LMZ-12
    let name = "model.layers.2.mlp.down_proj.weight"
    try writeStories(to: scratch.path("large")) { if $0 == name { $1[5] = 70_000 } }
    let large = try ModelSource.open(scratch.path("large"))
    let error = #expect(throws: LMToolError.self) { try Exporting.lmz(large, to: scratch.path("a.lmz"), recipe: recipe) }
    #expect(error?.place == .tensor(name))
    #expect(error?.message.contains("element 5 is 70000.0") == true)
    #expect(error?.rule == "LMZ-12")
    #expect(scratch.names == ["large"])
  }

  @Test func aModelWithoutTokenizerBecomesAnArtifactWithoutOne() throws {
    _ = try Exporting.lmz(try ModelSource.open(Fixtures.path("oracle/llama_gqa_tied")), to: scratch.path("a.lmz"), recipe: recipe)
    let artifact = try ModelSource.open(scratch.path("a.lmz"))
    #expect(artifact.tokenizer == nil)
    #expect(#expect(throws: LMToolError.self) { try artifact.makeTokenizer() }?.code == .missingInput)
    #expect(try Verifying.run(scratch.path("a.lmz")).passed)
  }
}
