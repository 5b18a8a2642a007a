import Artifacts
import Checkpoints
import Compression
import Inference
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Pruning of whole models: sizes, quality, reports, and what is refused.
struct PruningTests {
  let scratch = TestFolder()
  private let tales = Fixtures.path("texts/tinystories.txt")

  private var text: CalibrationOptions {
    var options = CalibrationOptions()
    options.texts = [tales]
    options.tokens = 4096
    options.window = 128
    return options
  }

  private func prune(
    _ change: (inout PruningOptions) -> Void, to name: String = "out", text given: CalibrationOptions? = nil, pads: Bool = false
  ) throws -> (model: ModelSource, report: PruningReport) {
    var options = PruningOptions()
    change(&options)
    let pruning = Pruning(try ModelSource.open(stories), to: scratch.path(name), options: options, calibration: given ?? text)
    let report = try pruning.run(pads: pads)
    return (try ModelSource.open(scratch.path(name)), report)
  }

  private func divergence(_ change: (inout PruningOptions) -> Void, to name: String) throws -> Double {
    try #require(try prune(change, to: name).report.quality).divergence
  }

  /// PRUNE-1 to PRUNE-3: channels that are missed least, and weights that make up for them, beat chance.
  @Test func channelsAreChosenByWhatIsLost() throws {
    let ours = try prune({ $0.mlp = 0.25 }, to: "ours"), channels = ours.model.spec.layers.map(\.mlp.up.outputs)
    #expect(channels.reduce(0, +) == 5 * 172 - 215 && Set(channels).count > 1)
    #expect(!ours.report.opensInTransformers && ours.report.parametersAfter == 260_032 - 215 * 3 * 64)
    #expect(ours.report.layers.map(\.channelsLeft) == channels)
    let chance = try divergence({ ($0.mlp, $0.importance, $0.compensates) = (0.25, .random, false) }, to: "chance")
    let unfitted = try divergence({ ($0.mlp, $0.compensates) = (0.25, false) }, to: "unfitted")
    let loss = try #require(ours.report.quality).divergence
    #expect(loss < unfitted && unfitted < chance && loss < chance / 2)
  }

  @Test func headsGoWithThoseThatShareThem() throws {
    let (model, report) = try prune { $0.heads = 0.2 }
    #expect(model.spec.layers.map(\.attention.keyValueHeads).reduce(0, +) == 16)
    #expect(model.spec.layers.allSatisfy { $0.attention.heads == 2 * $0.attention.keyValueHeads })
    #expect(report.layers.map(\.groupsGone.count).reduce(0, +) == 4)
    #expect(report.layers.allSatisfy { $0.heads.count == 8 && $0.heads.allSatisfy { $0 >= 0 } })
    let chance = try divergence({ ($0.heads, $0.importance, $0.compensates) = (0.25, .random, false) }, to: "chance")
    let loss = try divergence({ ($0.heads, $0.isUniform) = (0.25, true) }, to: "loss")
    #expect(loss < chance)
  }

  /// PRUNE-2: what `transformers` opens has no words of lmtool's own.
  @Test func uniformSizesAndZerosAreForTransformers() throws {
    let (model, report) = try prune({ ($0.mlp, $0.heads, $0.isUniform) = (0.1, 0.5, true) })
    #expect(report.opensInTransformers && model.config["lmtool"] == nil)
    #expect(model.config["intermediate_size"]?.int == 155 && model.config["num_key_value_heads"]?.int == 2)
    let padded = try prune({ $0.mlp = 0.1 }, to: "padded", pads: true)
    #expect(padded.report.opensInTransformers && Set(padded.model.spec.layers.map(\.mlp.up.outputs)).count == 1)
  }

  /// PRUNE-10.
  @Test func layersThatAreMissedLeastGo() throws {
    let (model, report) = try prune { $0.layers = .count(2) }
    #expect(model.spec.layers.count == 3 && report.opensInTransformers)
    let gone = report.layers.filter { $0.newIndex == nil }
    #expect(gone.count == 2 && gone.allSatisfy { $0.cost ?? 0 > 0 })
    #expect(report.layers.allSatisfy { $0.influence ?? -1 > 0 && $0.divergence ?? -1 > 0 })
    let last = try divergence({ $0.layers = .list([3, 4]) }, to: "last")
    #expect(try #require(report.quality).divergence < last)
    // The same layers by their numbers, without a text.
    let listed = try prune({ $0.layers = .list(gone.map(\.index)) }, to: "listed", text: CalibrationOptions())
    #expect(try values(listed.model) == (try values(model)) && listed.report.quality == nil)
  }

  @Test func tokensGo() throws {
    let (model, report) = try prune { $0.vocabulary = 400 }
    #expect(model.spec.vocabularySize == 400 && report.vocabularyAfter == 400 && report.vocabularyCost ?? 0 > 0)
    let quality = try #require(report.quality)
    #expect(quality.bitsPerByteBefore < 2 && quality.bitsPerByteAfter > quality.bitsPerByteBefore)
    let tokenizer = try model.makeTokenizer(), original = try ModelSource.open(stories).makeTokenizer()
    let strings = (UInt8.min..<128).map { [$0] } + [Array("Ünïcödé 漢字 \u{1F600}\n\t<s>".utf8)]
    for bytes in strings {
      let text = String(decoding: bytes, as: UTF8.self)
      #expect(tokenizer.decode(tokenizer.encode(text)) == original.decode(original.encode(text)), "\(bytes)")
    }
  }

  @Test func widthGoes() throws {
    let (model, report) = try prune { $0.width = 56 }
    #expect(model.spec.width == 56 && report.widthAfter == 56 && report.opensInTransformers)
    #expect(model.spec.layers[0].attention.headSize == 8 && model.config["head_dim"]?.int == 8)
    let unfitted = try divergence({ ($0.width, $0.compensates) = (56, false) }, to: "unfitted")
    #expect(try #require(report.quality).divergence < unfitted)
  }

  /// PRUNE-11.
  @Test func targetsAreReached() throws {
    let (model, report) = try prune { $0.target = .parameters(200_000) }
    #expect(model.parameterCount == report.parametersAfter && (190_000...200_000).contains(report.parametersAfter))
    let bytes = try prune({ $0.target = .bytes(4 * 200_000) }, to: "bytes")
    #expect(try values(bytes.model) == (try values(model)))
  }

  /// PRUNE-9: the least that a target can be is known before there is any text, and can be reached.
  @Test func targetsBelowTheLeastAreRefusedBeforeAnyWork() throws {
    let model = try ModelSource.open(stories), layer = model.spec.layers[0].tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
    var options = PruningOptions(), absent = CalibrationOptions()
    options.target = .parameters(40_000)
    absent.texts = [scratch.path("absent")]
    let error = expectFailure(.usage) {
      _ = try Pruning(model, to: scratch.path("out"), options: options, calibration: absent).run()
    }
    #expect(error?.rule == "PRUNE-9")
    let words = try #require(error?.message.split(separator: " ").compactMap { Int($0) })
    let least = try #require(words.last), three = 3 * (layer - 129 * 3 * 64 - 3 * (8 * 6 * 64))
    let tokens = try VocabularyPlan(VocabularyTrimming(model), shares: [], bitsPerWeight: 32).leastCount
    #expect(words.first == 40_000 && least == three + 64 + tokens * 64)
    let report = try prune({ $0.target = .parameters(least) }).report
    #expect(report.parametersAfter == least)
    expectFailure(.usage) { _ = try prune({ $0.target = .parameters(least - 1) }, to: "less") }
    #expect(TestFolder.names(in: scratch.path) == ["out"])
  }

  /// PRUNE-4 to PRUNE-7.
  @Test(arguments: SparsityMethod.allCases) func zerosAreAsManyAsWereAskedFor(method: SparsityMethod) throws {
    let (model, report) = try prune { $0.sparsity = Sparsity(.pattern(keep: 2, of: 4), method: method) }
    for layer in model.spec.layers {
      let floats = try model.tensor(layer.mlp.down.weight).readAll()
      #expect(stride(from: 0, to: floats.count, by: 4).allSatisfy { floats[$0..<$0 + 4].count { $0 != 0 } <= 2 })
    }
    #expect(report.tensors.count == 35 && report.tensors.allSatisfy { $0.sparsity >= 0.5 })
    #expect(report.nonzero ?? 0 < 160_000 && report.opensInTransformers)
    let half = try prune({ $0.sparsity = Sparsity(.fraction(0.5), method: method) }, to: "half")
    #expect(half.report.tensors.allSatisfy { abs($0.sparsity - 0.5) < 0.01 })
  }

  @Test func knowledgeOfInputsMakesBetterZeros() throws {
    let losses = try SparsityMethod.allCases.map { method in
      try divergence({ $0.sparsity = Sparsity(.fraction(0.5), method: method) }, to: method.rawValue)
    }
    #expect(losses[1] < losses[0] && losses[2] < losses[0])
  }

  /// A sparse model takes fewer bytes in an artifact than its dense twin.
  @Test(arguments: [SparsityPattern.pattern(keep: 2, of: 4), .fraction(0.75)]) func zerosCostLess(pattern: SparsityPattern) throws
  {
    _ = try prune { $0.sparsity = Sparsity(pattern, method: .sparsegpt) }
    func size(_ path: String, _ name: String) throws -> Int {
      try Exporting.lmz(try ModelSource.open(path), to: scratch.path(name), matrixType: .f16, recipe: .null)
    }
    #expect(try size(scratch.path("out"), "sparse.lmz") < (try size(stories, "dense.lmz")) * 4 / 5)
    let report = try ModelReport(try ModelSource.open(scratch.path("sparse.lmz")), withTensors: true, withEntropy: true)
    let down = try #require(report.tensors?.first { $0.name.hasSuffix("0.mlp.down_proj.weight") })
    #expect(abs((down.zeros ?? 0) - pattern.sparsity) < 0.02)
  }

  @Test func nothingDependsOnWhatWasThereBefore() throws {
    let first = try prune({ ($0.mlp, $0.heads) = (0.1, 0.1) }, to: "a"),
      second = try prune({ ($0.mlp, $0.heads) = (0.1, 0.1) }, to: "b")
    #expect(try values(first.model) == (try values(second.model)))
    #expect(TestFolder.names(in: scratch.path) == ["a", "b"])
  }

  /// PRUNE-4, PRUNE-9.
  @Test func whatIsNotPossibleIsRefused() throws {
    let changes: [(inout PruningOptions) -> Void] = [
      { _ in }, { $0.layers = .count(5) }, { $0.layers = .count(0) }, { $0.layers = .list([0, 1, 2, 3, 4]) },
      { $0.layers = .list([5]) },
      { $0.layers = .list([-1]) }, { $0.mlp = 1 }, { $0.mlp = 0 }, { $0.mlp = .nan }, { $0.heads = 0.01 }, { $0.heads = 0.9 },
      { $0.vocabulary = 200 }, { $0.vocabulary = 512 }, { $0.width = 64 }, { $0.width = 1 },
      { $0.sparsity = Sparsity(.fraction(1), method: .wanda) }, { $0.sparsity = Sparsity(.fraction(.nan), method: .wanda) },
      { $0.sparsity = Sparsity(.pattern(keep: 4, of: 4), method: .wanda) },
      { $0.sparsity = Sparsity(.pattern(keep: 0, of: 4), method: .wanda) },
      { $0.sparsity = Sparsity(.pattern(keep: 2, of: 5), method: .magnitude) },
      { $0.sparsity = Sparsity(.pattern(keep: 2, of: 6), method: .sparsegpt) }, { $0.target = .parameters(300_000) },
      { $0.target = .parameters(100) }, { ($0.target, $0.mlp) = (.parameters(200_000), 0.1) },
      { ($0.heads, $0.isUniform) = (0.1, true) }, { ($0.heads, $0.importance) = (0.1, .random) },
    ]
    for (index, change) in changes.enumerated() {
      let error = expectFailure(.usage) { _ = try prune(change) }
      #expect(error?.rule?.hasPrefix("PRUNE-") ?? false || [11, 12].contains(index), "case \(index)")
    }
    #expect(scratch.names == [])
  }

  @Test func quantizedModelsAreNotPruned() throws {
    try Quantizing.run(try ModelSource.open(stories), recipe: .int8, to: scratch.path("int8"))
    var options = PruningOptions()
    options.mlp = 0.1
    let source = try ModelSource.open(scratch.path("int8"))
    expectFailure(.usage) { _ = try Pruning(source, to: scratch.path("out"), options: options, calibration: text).run() }
  }

  /// PRUNE-8, MODEL-5.
  @Test func importancesThatAreNoNumbersAreRefused() throws {
    let matrix: [Float] = [1, .nan, 2, 3]
    let sparsity = Sparsity(.pattern(keep: 2, of: 4), method: .magnitude)
    #expect(expectFailure(.badInput) { _ = try sparsity.apply(matrix, rows: 1, moment: nil) }?.rule == "PRUNE-8")
  }
}
