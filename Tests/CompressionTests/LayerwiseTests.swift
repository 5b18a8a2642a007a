import Artifacts
import Compression
import Inference
import Kernels
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing
import Tokenizers

/// A layerwise pass leaves the residual stream that a session has before its last norm.
struct LayerwiseTests {
  /// Does nothing, or what it is told to.
  private final class Visitor: LayerwiseVisitor {
    var wants: (MatrixGroup) -> Bool = { _ in false }
    var seen: [(group: MatrixGroup, moments: Moments?)] = []
    var change: (MatrixGroup, inout LayerMatrices) -> Void = { _, _ in }

    func wantsMoments(of group: MatrixGroup) -> Bool { wants(group) }

    func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError) {
      seen.append((group, moments))
      change(group, &matrices)
    }
  }

  private func embedding(_ source: ModelSource) throws -> [Float] { try LayerMatrices.floats(source.spec.embedding, of: source) }

  private func pass(
    _ windows: TokenWindows, _ source: ModelSource, _ visitor: Visitor = Visitor(), original: [Float]? = nil
  ) throws -> ResidualPath {
    let pass = try LayerwisePass(source, windows: windows, embedding: try embedding(source), original: original)
    try pass.run(visitor)
    return pass.path
  }

  /// More tokens than pass through a matrix together: the first, the last and the windows at the border are those of a session.
  @Test func theResidualStreamGivesTheLogitsOfASession() throws {
    let source = try ModelSource.open(stories), windows = try storyWindows(22, length: 96)
    let path = try pass(windows, source)
    for window in [0, 20, 21] {
      let tokens = window * 96..<window * 96 + 96
      let expected = try logits(source, Array(windows.tokens[tokens]))
      #expect(difference(try residualLogits(source, path.residual, tokens), expected) < 1e-4, "window \(window)")
    }
  }

  @Test func batchesDoNotChangeABit() throws {
    let source = try ModelSource.open(stories), windows = try storyWindows(22, length: 96), all = try pass(windows, source)
    for window in [0, 20, 21] {
      let tokens = window * 96..<window * 96 + 96
      let one = try pass(TokenWindows(Array(windows.tokens[tokens]), length: 96), source)
      #expect((0..<96 * 64).allSatisfy { one.residual[$0] == all.residual[tokens.lowerBound * 64 + $0] })
    }
  }

  /// The steps of `LayerRunner`, called one by one as its documentation says.
  @Test func theStepsOfALayerAreThoseOfThePass() throws {
    let source = try ModelSource.open(stories), windows = try storyWindows(2, length: 40), spec = source.spec
    let rows = try embedding(source)
    var h = windows.tokens.flatMap { rows[Int($0) * 64..<Int($0) * 64 + 64] }
    for layer in spec.layers {
      let matrices = try LayerMatrices(layer, of: source), runner = LayerRunner(matrices, window: 40)
      func product(_ linear: LinearSpec, _ x: [Float]) -> [Float] {
        var y = [Float](repeating: .nan, count: 80 * linear.outputs)
        matrices.multiply(linear, x, tokens: 80, into: &y)
        return y
      }
      var x = h
      runner.attentionInput(h, tokens: 80, into: &x)
      var q = product(layer.attention.query, x), k = product(layer.attention.key, x), o = q
      runner.attention(queries: &q, keys: &k, values: product(layer.attention.value, x), tokens: 80, into: &o)
      var added = product(layer.attention.output, o)
      runner.addAttention(&added, to: &h, tokens: 80)
      runner.mlpInput(h, tokens: 80, into: &x)
      let g = product(try #require(layer.mlp.gate), x)
      var y = g
      runner.mlpChannels(gate: g, up: product(layer.mlp.up, x), tokens: 80, into: &y)
      added = product(layer.mlp.down, y)
      runner.addMLP(&added, to: &h, tokens: 80)
    }
    let path = try pass(windows, source)
    #expect(h.indices.allSatisfy { h[$0] == path.residual[$0] })
  }

  @Test func groupsComeInTheOrderOfComputation() throws {
    let source = try ModelSource.open(stories), visitor = Visitor()
    visitor.wants = { $0.kind == .mlpInput }
    _ = try pass(try storyWindows(1, length: 32), source, visitor)
    #expect(visitor.seen.map(\.group.layer) == (0..<20).map { $0 / 4 })
    #expect(visitor.seen.prefix(4).map(\.group.kind) == [.attentionInput, .attentionOutput, .mlpInput, .mlpChannels])
    for (group, moments) in visitor.seen {
      #expect(moments.map(\.tokens) == (group.kind == .mlpInput ? 32 : nil))
      #expect(moments.map { $0.size == group.inputs && $0.difference.isEmpty } ?? true)
    }
    #expect(visitor.seen.flatMap(\.group.linears).count == 5 * 7)
  }

  /// What a visitor puts in the place of matrices is what the model computes from there on; the original beside it goes its own way.
  @Test func replacedMatricesTakeEffectFromThereOn() throws {
    let source = try ModelSource.open(stories), windows = try storyWindows(3, length: 32)
    let names = ["1.self_attn.k_proj", "2.self_attn.o_proj", "3.mlp.down_proj"].map { "model.layers.\($0).weight" }
    var changed = source
    for name in names {
      let tensor = try #require(source.tensors[name])
      changed.tensors[name] = FloatTensor(name: name, shape: tensor.shape, floats: try tensor.readAll().map { $0 * 0.5 })
    }
    let visitor = Visitor()
    visitor.wants = { _ in true }
    visitor.change = { group, matrices in
      for linear in group.linears where names.contains(linear.weight.name) {
        matrices[linear.weight] = matrices[linear.weight].map { $0 * 0.5 }
      }
    }
    let path = try pass(windows, source, visitor, original: try embedding(source))
    let expected = try logits(changed, Array(windows.tokens[64..<96]))
    #expect(difference(try residualLogits(source, path.residual, 64..<96), expected) < 1e-4)
    for (index, seen) in visitor.seen.enumerated() {
      let drift = try #require(seen.moments).difference
      // The group after the keys of layer 1, its attention's output, is the first to see another input.
      #expect(drift.allSatisfy { $0 == 0 } == (index <= 4), "layer \(seen.group.layer), \(seen.group.kind)")
    }
  }

  @Test func twoEqualPathsDoNotDrift() throws {
    let source = try ModelSource.open(stories), visitor = Visitor()
    visitor.wants = { _ in true }
    _ = try pass(try storyWindows(4, length: 64), source, visitor, original: try embedding(source))
    for (group, moments) in visitor.seen {
      let moments = try #require(moments)
      #expect(moments.difference.allSatisfy { $0 == 0 } && moments.meanSquare > 0)
      let drift = moments.drift(try moments.factor(damping: 0.01))
      #expect(drift.allSatisfy { $0 == 0 }, "layer \(group.layer), \(group.kind)")
    }
  }
}

/// Windows of the tales that come with the little story teller.
func storyWindows(_ count: Int, length: Int) throws -> TokenWindows {
  let tokenizer = try ModelSource.open(stories).makeTokenizer()
  let ids = tokenizer.encode(bytes: try contents(Fixtures.path("texts/tinystories.txt")), addSpecial: false)
  let windows = TokenWindows(Array(ids.prefix(count * length)), length: length)
  #expect(windows.count == count)
  return windows
}

/// The logits of some rows of a residual stream after the last layer.
func residualLogits(_ source: ModelSource, _ residual: UnsafePointer<Float>, _ rows: Range<Int>) throws -> [Float] {
  let spec = source.spec
  let head = try HeadRunner(source, embedding: try LayerMatrices.floats(spec.embedding, of: source))
  var logits = [Float](repeating: .nan, count: rows.count * spec.vocabularySize)
  head.logits(residual + rows.lowerBound * spec.width, tokens: rows.count, into: &logits)
  return logits
}
