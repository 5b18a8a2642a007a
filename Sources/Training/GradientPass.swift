import Inference
import Kernels
import Models
import Tensors

/// The way back through a model for its own sake: no parameter is trained, but the gradients of what its matrices give are looked at.
///
/// The loss is the likelihood of tokens that are drawn from what the model itself says, so that the mean of squared gradients is the Fisher
/// information: how much the KL from the model moves when outputs do (Martens 2020, "New Insights and Perspectives on the Natural Gradient
/// Method"). The texts pass layer by layer, both ways: one layer of the model is in memory, and what enters each.
public struct GradientPass {
  private let source: ModelSource
  private let tokens: [Int32]
  private let window: Int
  private let pool = FloatPool()

  /// Tokens that pass together, about.
  private static let together = 1024
  /// The seed of the tokens that are drawn.
  private static let seed: UInt64 = 0x6669_7368_6572

  /// A pass over texts of `window` tokens each that lie one after the other.
  public init(_ source: ModelSource, tokens: [Int32], window: Int) {
    precondition(tokens.count % window == 0, "texts of the window's size")
    self.source = source
    self.tokens = tokens
    self.window = window
  }

  /// Calls `body` with each matrix of the layers and the gradients of what it gives, the last layer first.
  ///
  /// - Throws: `badInput` when a tensor cannot be read or is not finite (MODEL-5).
  public func run(
    progress: ProgressConsumer? = nil, _ body: (TensorSpec, OutputGradients) throws(LMToolError) -> Void
  ) throws(LMToolError) {
    let layers = source.spec.layers, all = 2 * layers.count
    let rotary = rotaryTables()
    var streams = [try embedded()]
    for index in layers.indices {
      let layer = try Layer(layers[index], of: source, rotary: rotary[index])
      let entering = streams[index], leaving = Floats(count: entering.count)
      forEachBatch { batch, context in
        copy(layer.layer.forward(part(entering, batch), context).stream, to: leaving, batch)
      }
      streams.append(leaving)
      progress?(ProgressUpdate(stage: "gradients", done: index + 1, total: all, unit: .passes))
    }
    let gradient = try gradientOfLast(streams.removeLast())
    for index in layers.indices.reversed() {
      let layer = try Layer(layers[index], of: source, rotary: rotary[index])
      let entering = streams.removeLast()
      forEachBatch { batch, context in
        let h = part(entering, batch), record = layer.layer.forward(h, context).record
        copy(layer.layer.backward(h, record, part(gradient, batch), context), to: gradient, batch)
      }
      for (tensor, gradients) in layer.observed { try body(tensor, gradients) }
      progress?(ProgressUpdate(stage: "gradients", done: all - index, total: all, unit: .passes))
    }
  }

  /// One layer, its matrices observed.
  private struct Layer {
    let layer: TrainedLayer
    let observed: [(TensorSpec, OutputGradients)]

    init(_ spec: LayerSpec, of source: ModelSource, rotary: RotaryTable?) throws(LMToolError) {
      var tensors: [String: TrainedTensor] = [:], observed: [(TensorSpec, OutputGradients)] = []
      for tensor in spec.tensors {
        let values = Floats(try LayerMatrices.floats(tensor, of: source))
        let gradients = tensor.isMatrix ? OutputGradients(outputs: tensor.shape[0]) : nil
        if let gradients { observed.append((tensor, gradients)) }
        tensors[tensor.name] = TrainedTensor(tensor, values, .frozen, gradients: gradients)
      }
      self.observed = observed
      layer = TrainedLayer(
        spec,
        { tensor in
          guard let tensor = tensors[tensor.name] else { preconditionFailure("\(tensor.name) is not of this layer") }
          return tensor
        }, rotary: rotary)
    }
  }

  private func rotaryTables() -> [RotaryTable?] {
    var known: [RotaryTable] = []
    let isLong = source.spec.shortContext.map { window > $0 } ?? false
    return RotaryTable.tables(source.spec, positions: window, isLong: isLong, known: &known)
  }

  private func embedded() throws(LMToolError) -> Floats {
    let table = try LayerMatrices.floats(source.spec.embedding, of: source)
    let stream = Floats(count: tokens.count * source.spec.width)
    try EmbeddingRunner(source).run(tokens, table: table, window: window, into: stream.pointer)
    return stream
  }

  /// The gradient of what leaves the last layer.
  private func gradientOfLast(_ stream: Floats) throws(LMToolError) -> Floats {
    var rest = source
    rest.spec.layers = []
    let ends = try TrainedModel(rest, plan: .nothing, window: window, arithmetic: .bf16)
    let gradient = Floats(count: stream.count)
    forEachBatch { batch, _ in
      var options = LossOptions()
      options.drawing = Self.seed &+ UInt64(batch.lowerBound)
      let targets = LossTargets(predicting: Array(tokens[batch]), window: window)
      let step = TrainingStep(ends, options: options)
      copy(step.gradient(ofEntering: part(stream, batch), window: window, targets), to: gradient, batch)
    }
    return gradient
  }

  // MARK: Batches

  private func forEachBatch(_ body: (_ tokens: Range<Int>, _ context: PassContext) -> Void) {
    let size = max(1, Self.together / window) * window
    for start in stride(from: 0, to: tokens.count, by: size) {
      let batch = start..<min(start + size, tokens.count)
      body(batch, PassContext(tokens: batch.count, window: window, arithmetic: .bf16, pool: pool))
    }
  }

  private func part(_ stream: Floats, _ batch: Range<Int>) -> Floats {
    let width = source.spec.width, result = pool.take(batch.count * width)
    result.pointer.update(from: stream.pointer + batch.lowerBound * width, count: result.count)
    return result
  }

  private func copy(_ part: Floats, to stream: Floats, _ batch: Range<Int>) {
    stream.pointer.advanced(by: batch.lowerBound * source.spec.width).update(from: part.pointer, count: part.count)
  }
}
