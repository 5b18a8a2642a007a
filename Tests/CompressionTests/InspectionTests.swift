import Artifacts
import Compression
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// What inspect says of a model.
struct InspectionTests {
  let scratch = TestFolder()

  @Test func partsAndTypesAddUpToTheModel() throws {
    let report = try ModelReport(try ModelSource.open(stories), withTensors: true, withEntropy: false)
    #expect(report.parameters == 260_032)
    #expect(report.parts.map(\.parameters).reduce(0, +) == 260_032)
    #expect(report.types.map(\.name) == ["F32"])
    #expect(report.types.map(\.bitsPerWeight) == [32])
    #expect(report.tensors?.count == 47)
    #expect(report.isTied)
    #expect(report.dimensions["layers"] == 5 && report.dimensions["mlp_channels"] == 172)
    #expect(report.provenance == nil)
  }

  @Test func anArtifactShowsSchemesEntropyAndProvenance() throws {
    _ = try Compressing.run(try ModelSource.open(stories), to: scratch.path("a.lmz"), budget: nil, recipe: .int4)
    let report = try ModelReport(try ModelSource.open(scratch.path("a.lmz")), withTensors: false, withEntropy: true)
    #expect(report.format == "lmz v1")
    #expect(Set(report.types.map(\.name)) == ["F32", "int4-g32", "int8-row"])
    #expect(report.provenance?.sources.contains { $0.name == "model.safetensors" && $0.size == 1_044_992 } == true)
    for row in report.tensors ?? [] where row.type == "int4-g32" {
      let entropy = try #require(row.entropy)
      #expect(entropy > 2.5 && entropy < 4, "\(row.name)")
    }
    let packed = (report.tensors ?? []).reduce(0) { $0 + $1.bytes }
    #expect(packed < report.fileBytes && packed > report.fileBytes * 8 / 10)
  }

  @Test func aTensorIsCountedElementByElement() throws {
    let name = "model.layers.0.mlp.up_proj.weight"
    try writeStories(to: scratch.path("model")) {
      guard $0 == name else { return }
      for index in $1.indices { $1[index] = Float(index % 4) - 1 }
      $1[0] = .nan
      $1[1] = .infinity
    }
    let report = try TensorReport(name, of: try ModelSource.open(scratch.path("model")))
    #expect(report.count == 172 * 64)
    #expect(report.nonfinite == 2)
    #expect(report.zeros == 172 * 16 - 1)
    #expect(report.minimum == -1 && report.maximum == 2)
    #expect(report.histogram.reduce(0, +) == report.count - 2)
  }

  @Test func anUnknownTensorIsRefused() throws {
    let source = try ModelSource.open(stories)
    let error = #expect(throws: LMToolError.self) { try TensorReport("model.nope", of: source) }
    #expect(error?.code == .usage)
    #expect(error?.message.contains("model.nope") == true)
  }
}
