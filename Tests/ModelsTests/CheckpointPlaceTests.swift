import Checkpoints
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Where checkpoints hold tensors: fused, transposed, head by head, and back (MODEL-8).
struct CheckpointPlaceTests {
  @Test func rowsOfHeadsAreFoundAndFoundBack() {
    // Query, key and value of 3 heads of 2 rows each, head by head.
    let slice = TensorSlice("qkv", shape: [18, 4], part: 1, of: 3, headSize: 2)
    #expect((0..<6).map(slice.storedRow) == [2, 3, 8, 9, 14, 15])
    #expect(
      (0..<18).map { slice.row(stored: $0) } == [
        nil, nil, 0, 1, nil, nil, nil, nil, 2, 3, nil, nil, nil, nil, 4, 5, nil, nil,
      ])
  }

  @Test(arguments: [nil, 4]) func interleavedRowsAreFoundBack(rotated: Int?) {
    var slice = TensorSlice("k", shape: [30, 1], first: 6, rows: 24)
    slice.order = .halfFromInterleaved(headSize: 8, rotated: rotated)
    for row in 0..<24 { #expect(slice.row(stored: slice.storedRow(row)) == row) }
    #expect(slice.storedRow(1) == 6 + 2)
    if rotated != nil { #expect((4..<8).map(slice.storedRow) == [10, 11, 12, 13], "the rest of a head stays") }
    #expect(slice.row(stored: 5) == nil && slice.row(stored: 30) == nil)
  }

  /// Every element of a checkpoint goes somewhere and comes back from there.
  @Test(arguments: familyCases) func checkpointsComeBackAsTheyWere(name: String) throws {
    let folder = Fixtures.path("families/\(name)")
    let stored = try SafetensorsFile(path: folder + "/model.safetensors")
    let source = try ModelSource.open(safetensors: folder)
    let names = Set(source.checkpointTensors.map(\.name))
    for tensor in source.checkpointTensors {
      let wrapped = stored.tensors.keys.filter { ("." + $0).hasSuffix("." + tensor.name) || tensor.name.hasSuffix("." + $0) }
      let original = try #require(stored.tensors[wrapped[0]], "\(tensor.name)")
      #expect(tensor.shape == original.shape && wrapped.count == 1, "\(tensor.name)")
      let expected = try original.readAll()
      #expect(try tensor.readAll() == expected, "\(tensor.name)")
      try expectPieces(of: tensor, equal: expected)
    }
    #expect(names.count == source.checkpointTensors.count)
    #expect(source.unused == (name == "gemma3" || name == "ministral3" ? ["vision_tower.patch.weight"] : []))
  }

  /// Tensors of the model read alike in pieces that begin and end anywhere.
  @Test(arguments: ["gpt2", "gpt_neox", "cohere", "stablelm", "phi3"]) func piecesAreThoseOfTheWhole(name: String) throws {
    let source = try ModelSource.open(safetensors: Fixtures.path("families/\(name)"))
    for tensor in source.tensors.values { try expectPieces(of: tensor, equal: try tensor.readAll()) }
  }

  private func expectPieces(of tensor: any TensorReader, equal expected: [Float]) throws {
    for size in [7, 33, 100] {
      var pieces: [Float] = []
      for start in stride(from: 0, to: tensor.count, by: size) {
        var piece = [Float](repeating: .nan, count: min(size, tensor.count - start))
        try piece.withUnsafeMutableBufferPointer { try tensor.read(start..<start + $0.count, into: $0) }
        pieces += piece
      }
      #expect(pieces == expected, "\(tensor.name) in pieces of \(size)")
    }
  }

  /// The tensors of all families have the same names, each once.
  @Test(arguments: familyCases) func namesAreThoseOfAllFamilies(name: String) throws {
    let spec = try ModelSource.open(safetensors: Fixtures.path("families/\(name)")).spec
    #expect(Set(spec.tensors.map(\.name)).count == spec.tensors.count)
    #expect(spec.layers[1].attention.query.weight.name == "model.layers.1.self_attn.q_proj.weight")
    #expect(spec.layers[1].mlp.up.weight.name == "model.layers.1.mlp.up_proj.weight")
    #expect(spec.embedding.name == "model.embed_tokens.weight")
  }

  @Test func whatAFusedTensorLacksIsNamed() throws {
    let path = Fixtures.path("families/gpt2")
    let file = try SafetensorsFile(path: path + "/model.safetensors"), name = "transformer.h.1.attn.c_attn.weight"
    for shape in [nil, [96, 32], [32, 95]] as [[Int]?] {
      let entries = file.tensors.values.compactMap { tensor -> SafetensorsEntry? in
        let own = tensor.name == name ? shape : tensor.shape
        return own.map { SafetensorsEntry(name: tensor.name, dtype: .f32, shape: $0) }
      }
      let folder = TestFolder()
      try folder.write("config.json", try contents(path + "/config.json"))
      let writer = try SafetensorsWriter(path: folder.path("model.safetensors"), entries: entries)
      for entry in entries {
        try writer.write(floats: [Float](repeating: 0, count: elementCount(entry.shape) ?? 0))
      }
      try writer.finish()
      let code = shape == nil ? LMToolError.Code.missingInput : .badInput
      let error = expectFailure(code) { _ = try ModelSource.open(safetensors: folder.path) }
      #expect(error?.place == .tensor(name))
      #expect(error?.rule == (shape == nil ? "MODEL-3" : "MODEL-4"))
    }
  }
}
