import Kernels
import Models

/// Many texts of one model, one token of each at a time: the weights are read once for all of them, so that sampling many texts is many
/// times as fast as one after the other.
package final class LockstepPass {
  /// How many texts there are.
  package let texts: Int
  /// Tokens of every text so far.
  package private(set) var length = 0
  private let model: Transformer
  private let width: Int
  private let layers: [LayerPass]
  /// Of each layer: [texts, heads of keys and values].
  private let caches: [[HeadCache]]
  private let finalNorm: NormPass
  private let scratch: Scratch
  private let working: UnsafeMutableRawPointer
  private let workingBytes: Int

  /// Bytes of keys and values of a text of `capacity` tokens.
  package static func bytes(_ spec: ModelSpec, capacity: Int) -> Int {
    spec.layers.reduce(0) { $0 + 2 * capacity * $1.attention.keyValueHeads * (($1.attention.headSize + 15) / 16 * 16) * 2 }
  }

  /// `texts` empty texts of up to `capacity` tokens.
  package init(_ model: Transformer, texts: Int, capacity: Int) {
    self.model = model
    self.texts = texts
    width = model.spec.width
    layers = zip(model.spec.layers, model.layers).map { spec, weights in
      let rotary = RotaryTable(spec.attention.rotary, headSize: spec.attention.headSize, positions: capacity)
      return LayerPass(spec, weights, capacity: 1, cache: .f16, rotary: rotary)
    }
    caches = layers.map { layer in
      (0..<texts * layer.keyValueHeads).map { _ in HeadCache(format: .f16, size: layer.headSize, capacity: capacity) }
    }
    finalNorm = NormPass(model.spec.finalNorm, model.finalNorm)
    scratch = Scratch(model, batch: texts)
    workingBytes = HeadCache.scratchBytes(size: layers.map(\.headSize).max() ?? 16)
    working = .allocate(byteCount: texts * workingBytes, alignment: 64)
  }

  deinit { working.deallocate() }

  /// Appends a token of the vocabulary to each text.
  ///
  /// - Returns: [texts][vocabulary], overwritten by the next call.
  package func run(_ ids: [Int32]) -> Logits {
    precondition(ids.count == texts, "every text gets one token")
    forEachText { self.model.embedding.row(Int(ids[$0]), into: self.scratch.residual + $0 * self.width) }
    for (layer, caches) in zip(layers, caches) {
      attention(layer, caches)
      mlp(layer)
    }
    length += 1
    norm(finalNorm, for: model.head)
    let logits = scratch.logits(texts)
    model.head.multiply(scratch.activations, tokens: texts, into: logits)
    return Logits(UnsafeBufferPointer(start: logits, count: texts * model.spec.vocabularySize), owner: scratch)
  }

  private func attention(_ layer: LayerPass, _ caches: [HeadCache]) {
    norm(layer.attentionNorm, for: layer.queryKeyValue.projection)
    layer.queryKeyValue.projection.multiply(scratch.activations, tokens: texts, into: scratch.outputs)
    forEachText { text in
      self.attend(layer, caches, text)
      layer.output.projection.prepare(self.scratch.activations, rows: text..<text + 1)
    }
    addToResidual(layer.output)
  }

  /// Stores keys and values of the newest token of a text, and attends with its queries, into the activations.
  private func attend(_ layer: LayerPass, _ caches: [HeadCache], _ text: Int) {
    let size = layer.headSize, groups = layer.keyValueHeads, shared = layer.heads / groups
    let queries = scratch.outputs + text * layer.queryKeyValue.projection.outputs
    layer.queryKeyValue.addBias(queries)
    let (cosines, sines) = layer.rotary.row(length)
    rotate(queries, heads: layer.heads + groups, size: size, cosines: cosines, sines: sines)
    let keys = queries + layer.heads * size, values = keys + groups * size
    let output = scratch.activations.floats + text * layer.heads * size
    for group in 0..<groups {
      let cache = caches[text * groups + group], offset = group * shared * size
      cache.store(length, key: keys + group * size, value: values + group * size)
      cache.attend(
        queries + offset, stride: layer.heads * size, heads: shared, tokens: 1, position: length, window: layer.window,
        scale: layer.scale, softcap: nil, scratch: working + text * workingBytes, into: output + offset,
        outputStride: layer.heads * size)
    }
  }

  private func mlp(_ layer: LayerPass) {
    norm(layer.mlpNorm, for: layer.gateUp.projection)
    layer.gateUp.projection.multiply(scratch.activations, tokens: texts, into: scratch.outputs)
    forEachText { text in
      let gate = self.scratch.outputs + text * layer.gateUp.projection.outputs
      layer.gateUp.addBias(gate)
      let output = self.scratch.activations.floats + text * layer.channels
      activate(layer.activation, gate, gate + layer.channels, count: layer.channels, into: output)
      layer.down.projection.prepare(self.scratch.activations, rows: text..<text + 1)
    }
    addToResidual(layer.down)
  }

  private func norm(_ norm: NormPass, for projection: Projection) {
    forEachText { text in
      norm.apply(self.scratch.residual + text * self.width, into: self.scratch.activations, row: text)
      projection.prepare(self.scratch.activations, rows: text..<text + 1)
    }
  }

  private func addToResidual(_ linear: Linear) {
    linear.projection.multiply(scratch.activations, tokens: texts, into: scratch.outputs)
    forEachText { text in
      let outputs = self.scratch.outputs + text * self.width
      linear.addBias(outputs)
      add(self.scratch.residual + text * self.width, outputs, count: self.width)
    }
  }

  private func forEachText(_ body: (Int) -> Void) { ThreadPool.shared.forEach(texts, body) }
}
