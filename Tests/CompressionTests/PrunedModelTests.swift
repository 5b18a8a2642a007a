import Artifacts
import Checkpoints
import Compression
import Inference
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Models whose layers differ in size, in every family: they compute what the whole model does with zeros in the place of what is gone.
struct PrunedModelTests {
  let scratch = TestFolder()

  private func open(_ name: String) throws -> ModelSource { try ModelSource.open(Fixtures.path("families/\(name)")) }

  private func text(_ name: String) throws -> [Int32] {
    let file = try SafetensorsFile(path: Fixtures.path("families/\(name)/oracle.safetensors"))
    return try #require(file.tensors["input_ids"]).readAll().map { Int32($0) }
  }

  /// Parts that leave every layer another size: the first loses its last head of keys and values, where it has several and heads are by
  /// themselves, later ones more and more channels.
  private func parts(_ spec: ModelSpec) -> KeptParts {
    var kept = KeptParts(of: spec)
    for index in kept.layers.indices {
      kept.layers[index].channels.removeAll { $0 % (index + 3) == 1 }
      let norm = spec.layers[index].attention.queryNorm?.size ?? 0, isFree = norm <= spec.layers[index].attention.headSize
      if index == 0, isFree, kept.layers[0].groups.count > 1 { kept.layers[0].groups.removeFirst() }
    }
    return kept
  }

  /// The model with zeros where `kept` has nothing: in what reads heads and channels.
  private func zeroed(_ source: ModelSource, _ kept: KeptParts) throws -> ModelSource {
    var result = source
    for (index, layer) in source.spec.layers.enumerated() {
      let attention = layer.attention, size = attention.heads / attention.keyValueHeads * attention.headSize
      let heads = Set(kept.layers[index].groups.flatMap { $0 * size..<($0 + 1) * size })
      for (linear, left) in [(attention.output, heads), (layer.mlp.down, Set(kept.layers[index].channels))] {
        var floats = try source.tensor(linear.weight).readAll()
        for at in floats.indices where !left.contains(at % linear.inputs) { floats[at] = 0 }
        result.tensors[linear.weight.name] = FloatTensor(name: linear.weight.name, shape: linear.weight.shape, floats: floats)
      }
    }
    return result
  }

  /// MODEL-13, MODEL-14.
  @Test(arguments: familyCases) func layersOfDifferentSizesPassEveryStage(name: String) throws {
    let source = try open(name), ids = try text(name), kept = parts(source.spec)
    let expected = try logits(try zeroed(source, kept), ids), pruned = try source.pruned(to: kept)
    #expect(pruned.parameterCount < source.parameterCount && !pruned.isPlain)
    #expect(difference(try logits(pruned, ids), expected) < 1e-5)
    try Importing.run(pruned, to: scratch.path("model"), type: .f32)
    let written = try ModelSource.open(scratch.path("model"))
    #expect(written.spec == pruned.spec && written.unused.isEmpty)
    #expect(difference(try logits(written, ids), expected) < 1e-5)
    _ = try Exporting.lmz(written, to: scratch.path("a.lmz"), matrixType: .f32, recipe: .null)
    #expect(difference(try logits(try ModelSource.open(scratch.path("a.lmz")), ids), expected) < 1e-5)
    try Quantizing.run(written, recipe: .int8, to: scratch.path("int8"))
    #expect(difference(try logits(try ModelSource.open(scratch.path("int8")), ids), expected) < 0.1)
  }

  /// MODEL-15: the zeros are those of the family's own keys.
  @Test(arguments: familyCases) func zerosMakeUpForWhatIsMissing(name: String) throws {
    let source = try open(name), ids = try text(name), pruned = try source.pruned(to: parts(source.spec))
    let padded = try pruned.padded()
    #expect(padded.isPlain && Set(padded.spec.layers.map { LayerSizes($0) }).count == 1)
    #expect(difference(try logits(padded, ids), try logits(pruned, ids)) < 1e-5)
    try Importing.run(padded, to: scratch.path("model"), type: .f32)
    #expect(try ModelSource.open(scratch.path("model")).spec == padded.spec)
  }

  /// What all layers have in common is said in the words of the family.
  @Test func sizesThatAllLayersShareAreThoseOfTheFamily() throws {
    let source = try ModelSource.open(stories)
    var kept = KeptParts(of: source.spec)
    for index in kept.layers.indices {
      kept.layers[index].channels.removeLast(12)
      kept.layers[index].groups = [0, 2]
    }
    let pruned = try source.pruned(to: kept)
    #expect(pruned.isPlain && pruned.config["lmtool"] == nil)
    #expect(pruned.config["intermediate_size"]?.int == 160 && pruned.config["num_attention_heads"]?.int == 4)
    #expect(pruned.config["num_key_value_heads"]?.int == 2 && pruned.config["head_dim"]?.int == 8)
    let ids: [Int32] = [1, 403, 407, 261, 378]
    #expect(difference(try logits(pruned, ids), try logits(try zeroed(source, kept), ids)) < 1e-5)
  }

  /// `transformers` refuses a LLaMA whose heads do not divide the width: this one is said layer by layer, and filled up to eight.
  @Test func headsThatDoNotDivideTheWidthAreFilledUp() throws {
    let source = try ModelSource.open(stories)
    var kept = KeptParts(of: source.spec)
    for index in kept.layers.indices { kept.layers[index].groups.removeFirst() }
    let pruned = try source.pruned(to: kept)
    #expect(!pruned.isPlain && pruned.spec.layers.allSatisfy { $0.attention.heads == 6 })
    #expect(try pruned.padded().config["num_attention_heads"]?.int == 8)
  }

  /// But for the case whose scores know the number of their layer.
  @Test(arguments: familyCases.filter { $0 != "gpt2_old" }) func layersGo(name: String) throws {
    let source = try open(name), last = source.spec.layers.count - 1
    var kept = KeptParts(of: source.spec)
    kept.layers.remove(at: 0)
    let pruned = try source.pruned(to: kept)
    #expect(pruned.spec.layers.count == last && pruned.isPlain)
    for (new, old) in zip(pruned.spec.layers, source.spec.layers.dropFirst()) {
      #expect(new.attention.window == old.attention.window && new.attention.rotary == old.attention.rotary)
      let weights = try source.tensor(old.mlp.down.weight).readAll()
      #expect(try pruned.tensor(new.mlp.down.weight).readAll() == weights)
    }
    try Importing.run(pruned, to: scratch.path("model"), type: .f32)
    let written = try ModelSource.open(scratch.path("model"))
    #expect(written.spec == pruned.spec)
    #expect(try logits(written, try text(name)) == (try logits(pruned, try text(name))))
  }

  /// MODEL-14: where scores are scaled by the number of their layer, layers have to stay where they are.
  @Test func layersThatKnowTheirPlaceStay() throws {
    var source = try open("gpt2"), config = source.config.object ?? [:]
    config["scale_attn_by_inverse_layer_idx"] = .bool(true)
    source.config = .object(config)
    source.spec = try Architectures.spec(of: Configuration(source.config))
    var kept = KeptParts(of: source.spec)
    kept.layers.remove(at: 0)
    #expect(expectFailure(.usage) { _ = try source.pruned(to: kept) }?.rule == "MODEL-14")
  }

  /// MODEL-13.
  @Test func configurationsThatSayTooMuchAreRefused() throws {
    let config = try ModelSource.open(stories).config.object ?? [:]
    func layer(_ heads: Int, _ groups: Int, _ channels: Int) -> JSONValue {
      .object(["heads": .int(heads), "key_value_heads": .int(groups), "channels": .int(channels)])
    }
    func rule(_ value: JSONValue) throws -> String? {
      var config = config
      config["lmtool"] = value
      return expectFailure(.badInput) { _ = try Architectures.spec(of: Configuration(.object(config))) }?.rule
    }
    let good = layer(6, 3, 100)
    for bad in [
      layer(16, 4, 172), layer(8, 8, 172), layer(8, 3, 172), layer(8, 4, 173), layer(0, 4, 10), layer(8, 4, 0), .int(3),
    ] {
      #expect(try rule(.object(["layers": .array([good, good, bad, good, good])])) == "MODEL-13")
    }
    #expect(try rule(.object(["layers": .array([good])])) == "MODEL-13")
    #expect(try rule(.object(["layers": .string("all")])) == "MODEL-13")
    #expect(try rule(.object(["head_dim": .int(1 << 40)])) == "MODEL-13")
    #expect(try rule(.array([])) == "MODEL-13")
  }
}
