import Artifacts
import Compression
import Models
import Tensors
import TestSupport
import Testing
import Training

/// Adapters that training writes, merged again: the model that was trained, also where modules are fused, transposed or reordered.
struct AdapterFolderTests {
  let scratch = TestFolder()

  @Test(arguments: ["phi3", "gpt2", "gpt_neox", "llama_yarn", "gptj"]) func mergedTheyAreTheTrainedModel(family: String) throws {
    let source = try ModelSource.open(Fixtures.path("families/" + family)), output = scratch.path("adapter")
    let tokens = (0..<16 * 16).map { Int32(($0 * 7 + $0 / 16) % source.spec.vocabularySize) }
    var options = DistillingOptions()
    options.plan = .lowRank(rank: 3, alpha: 5, seed: 1)
    options.optimizer.rate = 1e-2
    options.maximumTokens = 256
    options.interval = 1
    options.patience = 1000
    let text = TrainingText(windows: TokenWindows(tokens, length: 16), counted: nil)
    let training = try Distilling(student: source, teacher: nil, text: text, options, output: output)
    try training.run()
    try #require(training.report.best > 0, "something was learned")
    try training.writeAdapter(of: source, to: output)
    let merged = try source.merging(try LoRAAdapter(path: output)).model
    var changed = 0
    for spec in source.spec.tensors {
      let ours = try #require(training.student.tensor(spec)).values.array
      let theirs = try merged.tensor(spec).readAll(), before = try source.tensor(spec).readAll()
      let most = zip(ours, theirs).map { abs($0 - $1) }.max() ?? 0
      #expect(most < 1e-6, "\(spec.name): \(most)")
      if ours != before { changed += 1 }
    }
    #expect(changed == source.spec.layers.count * source.spec.layers[0].tensors.count { $0.isMatrix })
  }

  @Test func withoutLowRankThereIsNone() throws {
    let source = try ModelSource.open(Fixtures.path("families/gpt2"))
    let text = TrainingText(windows: TokenWindows((0..<64).map { Int32($0 % 9) }, length: 16), counted: nil)
    var options = DistillingOptions()
    options.plan = .everything
    let training = try Distilling(student: source, teacher: nil, text: text, options, output: "out")
    expectFailure(.usage) { try training.writeAdapter(of: source, to: scratch.path("adapter")) }
  }
}
