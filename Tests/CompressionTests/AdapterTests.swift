import Artifacts
import Checkpoints
import Compression
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Merged models are imported like others, and the report says how far their weights moved (formats/lora.md).
struct AdapterTests {
  let scratch = TestFolder()

  @Test func movementsAreThoseOfTheTensors() throws {
    let source = try ModelSource.open(Fixtures.path("families/phi3"))
    let adapter = try LoRAAdapter(path: Fixtures.path("lora/phi3/adapter"))
    let merged = try source.merging(adapter), report = try AdapterReport(merged, of: adapter)
    #expect(report.kinds.map(\.module) == ["gate_up_proj", "qkv_proj"] && report.kinds.map(\.modules) == [2, 2])
    #expect(report.kinds.allSatisfy { $0.ranks == [4] } && report.layers == 2 && report.layersOfModel == 2)
    let expected = try SafetensorsFile(path: Fixtures.path("lora/phi3/expected.safetensors")).tensors
    let base = try SafetensorsFile(path: Fixtures.path("families/phi3/model.safetensors")).tensors
    for kind in report.kinds {
      var moved = 0.0, size = 0.0
      for (name, tensor) in expected where name.contains(kind.module) {
        let before = try #require(base[name]).readAll()
        for (a, b) in zip(before, try tensor.readAll()) {
          moved += Double(a - b) * Double(a - b)
          size += Double(a) * Double(a)
        }
      }
      #expect((kind.movement - (moved / size).squareRoot()).magnitude < 1e-5, "\(kind.module)")
    }
  }

  @Test func mergedModelsAreImported() throws {
    let source = try ModelSource.open(Fixtures.path("families/gpt2"))
    let merged = try source.merging(try LoRAAdapter(path: Fixtures.path("lora/gpt2/adapter"))).model
    try Importing.run(merged, to: scratch.path("model"), type: .f32)
    let written = try SafetensorsFile(path: scratch.path("model") + "/model.safetensors").tensors
    for (name, tensor) in try SafetensorsFile(path: Fixtures.path("lora/gpt2/expected.safetensors")).tensors {
      let wanted = try tensor.readAll(), values = try #require(written[name]).readAll()
      let largest = wanted.reduce(0) { max($0, $1.magnitude) }
      #expect(zip(values, wanted).allSatisfy { ($0 - $1).magnitude <= 1e-6 * largest }, "\(name)")
    }
  }

  /// LORA-9.
  @Test func anAdapterThatChangesNothingIsRefused() throws {
    let source = try ModelSource.open(stories)
    for value: Float in [0, .nan] {
      let adapter = try LoRAAdapter(path: try writeStoriesAdapter(to: scratch.path("adapter\(value)"), up: value))
      let merged = try source.merging(adapter)
      let error = expectFailure(.badInput) { _ = try AdapterReport(merged, of: adapter) }
      #expect(error?.rule == (value == 0 ? "LORA-9" : "MODEL-5"))
    }
  }
}
