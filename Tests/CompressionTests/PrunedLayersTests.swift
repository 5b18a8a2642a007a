import Artifacts
import Checkpoints
import Compression
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Models without some of their layers, against what `transformers` computes with what `prune` wrote of them (MODEL-14).
struct PrunedLayersTests {
  let scratch = TestFolder()

  private struct Case: Decodable {
    var layers: [Int]
    var config: String
  }

  private func cases() throws -> [String: Case] {
    try decodeJSON([String: Case].self, file: MappedFile(path: Fixtures.path("pruning/layers/layers.json")))
  }

  @Test func transformersComputesWhatIsWritten() throws {
    let reference = try SafetensorsFile(path: Fixtures.path("pruning/layers/layers.safetensors")), cases = try cases()
    let ids = try #require(reference.tensors["ids"]).readAll().map { Int32($0) }
    #expect(cases.count >= 25)
    for (name, expected) in cases.sorted(by: { $0.key < $1.key }) {
      let folder = Fixtures.path(name.hasPrefix("families/") ? name : "pruning/layers/" + name)
      let out = scratch.path(name.replacing("/", with: "-"))
      var options = PruningOptions()
      options.layers = .list(expected.layers)
      let source = try ModelSource.open(folder)
      let pruning = Pruning(source, to: out, options: options, calibration: CalibrationOptions())
      #expect(try pruning.run().opensInTransformers)
      #expect(Digest.hex(try contents(out + "/config.json")) == expected.config, "\(name): not what transformers read")
      let model = try ModelSource.open(out), theirs = try #require(reference.tensors[name]).readAll()
      #expect(model.spec.layers.count == source.spec.layers.count - expected.layers.count)
      let ours = try logits(model, ids)
      #expect(difference(Array(ours.suffix(theirs.count)), theirs) < 1e-4, "\(name)")
    }
  }
}
