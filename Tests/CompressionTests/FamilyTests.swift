import Artifacts
import Checkpoints
import Compression
import Inference
import Kernels
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Every family passes every stage: import, quantization, artifacts, calibration.
struct FamilyTests {
  let scratch = TestFolder()

  private func open(_ name: String) throws -> ModelSource { try ModelSource.open(Fixtures.path("families/\(name)")) }

  /// A text of the reference.
  private func text(_ name: String) throws -> [Int32] {
    let file = try SafetensorsFile(path: Fixtures.path("families/\(name)/oracle.safetensors"))
    return try #require(file.tensors["input_ids"]).readAll().map { Int32($0) }
  }

  private func expected(_ name: String) throws -> [Float] {
    try #require(try SafetensorsFile(path: Fixtures.path("families/\(name)/oracle.safetensors")).tensors["logits"]).readAll()
  }

  @Test(arguments: familyCases) func importsComputeTheSame(name: String) throws {
    let source = try open(name)
    try Importing.run(source, to: scratch.path("model"))
    let imported = try ModelSource.open(scratch.path("model"))
    #expect(imported.spec == source.spec && imported.unused.isEmpty)
    #expect(difference(try logits(imported, try text(name)), try expected(name)) < 1e-4)
  }

  @Test(arguments: familyCases) func quantizedModelsAndArtifactsStayClose(name: String) throws {
    let source = try open(name), ids = try text(name)
    try Quantizing.run(source, recipe: .int8, to: scratch.path("int8"))
    let quantized = try ModelSource.open(scratch.path("int8"))
    #expect(quantized.spec == source.spec && quantized.unused.isEmpty)
    let rounded = try logits(quantized, ids)
    #expect(difference(rounded, try expected(name)) < 0.1)
    _ = try Exporting.lmz(quantized, to: scratch.path("a.lmz"), recipe: .null)
    let artifact = try ModelSource.open(scratch.path("a.lmz"))
    #expect(try logits(artifact, ids) == rounded)
    // Out of the artifact again, fused and transposed as the family's checkpoints are.
    try Importing.run(artifact, to: scratch.path("out"), type: .f32)
    let out = try ModelSource.open(scratch.path("out"))
    #expect(out.unused.isEmpty)
    #expect(difference(try logits(out, ids), rounded) < 1e-4)
    #expect(Set(out.checkpointTensors.map(\.name)) == Set(source.checkpointTensors.map(\.name)))
  }

  /// Integer arithmetic of the runtime, as `run` uses it.
  @Test(arguments: familyCases) func integersStayClose(name: String) throws {
    let source = try open(name), ids = try text(name)
    try Quantizing.run(source, recipe: .int8, to: scratch.path("int8"))
    let model = try Transformer(try ModelSource.open(scratch.path("int8")))
    let logits = Array(try Session(model, capacity: ids.count).forward(ids, logits: .all))
    #expect(difference(logits, try expected(name)) < 0.15)
  }

  /// A layerwise pass leaves the stream from which the logits of a session follow.
  @Test(arguments: familyCases) func calibrationComputesTheSame(name: String) throws {
    let source = try open(name), ids = try text(name), windows = TokenWindows(ids + ids, length: ids.count)
    let embedding = try LayerMatrices.floats(source.spec.embedding, of: source)
    let pass = try LayerwisePass(source, windows: windows, embedding: embedding, original: embedding)
    let visitor = Collector()
    try pass.run(visitor)
    let reference = try expected(name)
    #expect(difference(try residualLogits(source, pass.path.residual, 0..<ids.count), reference) < 1e-4)
    #expect(difference(try residualLogits(source, pass.path.residual, ids.count..<2 * ids.count), reference) < 1e-4)
    #expect(visitor.drifts.allSatisfy { $0 == 0 }, "the original goes the same way")
    let groups = source.spec.layers.enumerated().flatMap { MatrixGroup.groups(of: $1, layer: $0) }
    #expect(visitor.sizes == groups.map(\.inputs))
  }

  /// Lockstep computes what sessions do.
  @Test(arguments: familyCases) func textsInLockstepAreThoseOfSessions(name: String) throws {
    let source = try open(name), ids = try text(name), model = try Transformer(source), vocabulary = model.spec.vocabularySize
    let pass = LockstepPass(model, texts: 2, capacity: ids.count), session = Session(model, capacity: ids.count, cache: .f16)
    session.expect(length: ids.count)
    for id in ids {
      let both = Array(pass.run([ids[0], id]))
      let alone = Array(try session.forward([id]))
      #expect(Array(both[vocabulary...]) == alone)
    }
  }

  /// Disturbing nothing changes nothing, and every matrix matters.
  @Test(arguments: familyCases) func everyMatrixIsSensitive(name: String) throws {
    let source = try open(name), windows = TokenWindows(try text(name), length: 24)
    let linears = source.spec.layers.enumerated().flatMap { MatrixGroup.groups(of: $1, layer: $0).flatMap(\.linears) }
    let variances = Dictionary(uniqueKeysWithValues: linears.map { ($0.weight.name, 1e-4) })
    let measured = try SensitivityProbe(source, windows: windows).measure(variances: variances)
    #expect(measured.matrices.count == linears.count && measured.embedding > 1e-6)
    for (name, strength) in measured.matrices { #expect(strength > 1e-7 && strength < 1e3, "\(name): \(strength)") }
    let none = try SensitivityProbe(source, windows: windows).measure(variances: [:])
    #expect(none.matrices.values.allSatisfy { $0 < 1e-20 })
  }

  /// Wants every moment, and remembers how many inputs there are and whether the two paths differ.
  private final class Collector: LayerwiseVisitor {
    var sizes: [Int] = []
    var drifts: [Double] = []

    func wantsMoments(of group: MatrixGroup) -> Bool { true }

    func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError) {
      guard let moments else { return }
      sizes.append(moments.size)
      drifts += moments.difference
    }
  }
}
