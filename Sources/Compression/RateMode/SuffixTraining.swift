import Inference
import Kernels
import Models
import OrderedCollections
import Tensors
import Training

/// Training between the layers of a quantizing pass: what is quantized stays, and the layers behind it, floats still, learn to say with it
/// what the original says (incremental quantization, Zhou et al. 2017, with the original as teacher).
///
/// Nothing before the first layer that is left ever changes again, so a text passes it once: what enters that layer is kept for all
/// tokens, and what the head of the teacher reads too. The further the pass, the cheaper the training.
final class SuffixTraining {
  private let options: SuffixTrainingOptions
  private let windows: TokenWindows
  private let student: TrainedModel
  private let step: TrainingStep
  private let optimizer: AdamW
  private let references: Floats
  private let streams: Floats
  private let spec: ModelSpec
  private let checkpoint: SuffixTrainingCheckpoint?
  private let progress: ProgressConsumer?
  private let start = ContinuousClock.now
  private var state = SuffixTrainingCheckpoint.State()

  /// Texts that pass layers together where nothing is trained.
  private static let together = 4
  /// Of the learning rate, what is left at the end.
  private static let lastRate = 0.2
  /// Steps during which the rate rises at first.
  private static let warmUp = 20

  /// Prepares the training of all layers of `source` behind a quantized embedding, and head where it is another matrix.
  ///
  /// - Parameters:
  ///   - teacher: of the same vocabulary and width.
  ///   - replaced: floats of the matrices that are quantized already, by name.
  ///   - folder: keeps the state after every layer, to go on after an interruption.
  /// - Throws: `badInput` for weights that are not finite, and for a checkpoint that is damaged.
  init(
    _ source: ModelSource, teacher: ModelSource, windows: TokenWindows, replaced: [String: [Float]],
    _ options: SuffixTrainingOptions, folder: JobFolder? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    self.options = options
    self.windows = windows
    self.progress = progress
    spec = source.spec
    let arithmetic: MatrixProduct.Arithmetic = options.usesBF16 ? .bf16 : .f32
    let teacher = try TrainedModel(teacher, plan: .nothing, window: windows.length, arithmetic: arithmetic)
    student = try TrainedModel(source, plan: .layers, window: windows.length, arithmetic: arithmetic)
    step = TrainingStep(student, teacher: teacher)
    optimizer = AdamW(student.parameters, AdamWOptions())
    checkpoint = folder.map { SuffixTrainingCheckpoint($0) }
    let count = windows.tokens.count * spec.width
    references = Floats(count: count)
    streams = Floats(count: count)
    for (name, floats) in replaced { replace(name, floats) }
    forEachBatch { batch, tokens in
      write(teacher.forward(tokens, window: windows.length), to: references, at: batch)
      write(student.embedded(tokens, window: windows.length), to: streams, at: batch)
      let done = batch.upperBound * windows.length
      progress?(ProgressUpdate(stage: "teacher", done: done, total: windows.tokens.count, unit: .tokens))
    }
    if let kept = try checkpoint?.load(into: student, optimizer, retire: retire) { state = kept }
  }

  /// Refuses a training of `source` on so many tokens for which memory does not suffice.
  ///
  /// - Throws: `usage`, with what it would take.
  static func checkMemory(
    _ source: ModelSource, teacher: ModelSource, tokens: Int, window: Int, _ options: SuffixTrainingOptions
  ) throws(LMToolError) {
    var training = DistillingOptions()
    training.plan = .layers
    training.batch = max(1, options.stepTokens / window)
    var memory = TrainingMemory(student: source, teacher: teacher, window: window, training)
    memory.activations += 2 * 4 * tokens * source.spec.width
    guard let available = availableMemory(), memory.total > available else { return }
    throw LMToolError(
      .usage,
      "--train takes about \(memory.megabytes(memory.total)) of memory, and \(memory.megabytes(available)) are free: "
        + "\(memory.text); use fewer --tokens, or --heal alone, which takes less", file: source.path)
  }

  /// Puts the floats of a quantized matrix in the place of those that were trained.
  func replace(_ name: String, _ floats: [Float]) {
    guard let spec = spec.tensors.first(where: { $0.name == name }) else { return }
    student.tensor(spec)?.values.update(from: floats)
  }

  /// All matrices of a layer are quantized: the text passes it, and it is trained no more.
  func leave(_ layer: Int) {
    retire(layer)
    forEachBatch { batch, _ in
      write(student.forward(layer: layer, read(streams, windows: batch), window: windows.length), to: streams, at: batch)
    }
  }

  private func retire(_ layer: Int) {
    let names = Set(spec.layers[layer].tensors.map(\.name))
    optimizer.retire { names.contains($0.name) }
  }

  /// Trains what is left, from a layer on, unless that was done before an interruption.
  ///
  /// - Throws: `inputOutput` when the state cannot be kept.
  func train(from layer: Int) throws(LMToolError) {
    guard state.stages.last.map({ $0.layer < layer }) ?? true else { return }
    let share = SuffixTrainingShare(spec, layer: layer), begun = seconds, first = state.tokens
    var divergences: [Double] = []
    func fraction() -> Double {
      switch options.length {
      case .tokens(let tokens): Double(state.tokens - first) / Double(max(1, tokens))
      case .seconds(let all):
        (all - begun) * share.ofRest > 0 ? (seconds - begun) / ((all - begun) * share.ofRest) : 1
      }
    }
    while fraction() < 1 {
      let done = share.done + fraction() * share.own
      divergences.append(take(from: layer, rate: rate(at: done)))
      progress?(ProgressUpdate(stage: "train", done: Int(done * 1000), total: 1000, unit: .thousandths))
    }
    func mean(_ some: ArraySlice<Double>) -> Double { some.reduce(0, +) / Double(max(1, some.count)) }
    let sampled = min(SuffixTrainingStage.sampled, (divergences.count + 1) / 2)
    state.stages.append(
      SuffixTrainingStage(
        layer: layer, steps: divergences.count, before: mean(divergences.prefix(sampled)),
        after: mean(divergences.suffix(sampled))))
    state.steps = optimizer.steps
    state.seconds = seconds
    try checkpoint?.save(state, student, optimizer)
  }

  /// `source` with what was trained in the tensors of a layer.
  func source(_ source: ModelSource, layer: Int) -> ModelSource {
    var result = source
    for tensor in spec.layers[layer].tensors { result.tensors[tensor.name] = held(tensor) }
    return result
  }

  /// What was trained of tensors that are no matrices.
  var vectors: [String: HeldTensor] {
    var result: [String: HeldTensor] = [:]
    for tensor in spec.tensors where !tensor.isMatrix { result[tensor.name] = held(tensor) }
    return result
  }

  /// How it went.
  var stages: [SuffixTrainingStage] { state.stages }

  private func held(_ tensor: TensorSpec) -> HeldTensor {
    HeldTensor(name: tensor.name, shape: tensor.shape, floats: Floats(student.tensor(tensor)?.values.array ?? []))
  }

  // MARK: Steps

  private func rate(at fraction: Double) -> Double {
    let rate = options.rate ?? SuffixTrainingOptions.usualRate(width: spec.width)
    let warm = min(1, Double(optimizer.steps + 1) / Double(Self.warmUp))
    return rate * warm * (1 - (1 - Self.lastRate) * min(1, fraction))
  }

  /// Seconds so far, those before an interruption among them.
  private var seconds: Double {
    let passed = (ContinuousClock.now - start).components
    return state.secondsBefore + Double(passed.seconds) + Double(passed.attoseconds) * 1e-18
  }

  /// One step; returns the mean KL of its tokens.
  private func take(from layer: Int, rate: Double) -> Double {
    let length = windows.length, texts = min(windows.count, max(1, options.stepTokens / length))
    if state.order.count < texts {
      state.order = shuffled()
      state.epoch += 1
    }
    let batch = Array(state.order.prefix(texts))
    state.order.removeFirst(texts)
    let tokens = batch.flatMap { windows.tokens[$0 * length..<($0 + 1) * length] }
    let targets = LossTargets(predicting: tokens, window: length)
    let sums = step.addGradients(
      from: layer, read(streams, windows: batch), reference: read(references, windows: batch), window: length, targets,
      total: Double(batch.count * (length - 1)))
    optimizer.step(rate: rate)
    state.tokens += tokens.count
    return sums.divergence / sums.weight
  }

  private func shuffled() -> [Int] {
    var random = Random(seed: options.seed &* 1_000_003 &+ state.epoch), order = Array(0..<windows.count)
    for index in order.indices.reversed() {
      order.swapAt(index, min(index, Int(random.unit() * Double(index + 1))))
    }
    return order
  }

  // MARK: Windows

  private func forEachBatch(_ body: (_ windows: Range<Int>, _ tokens: [Int32]) -> Void) {
    for start in stride(from: 0, to: windows.count, by: Self.together) {
      let batch = start..<min(start + Self.together, windows.count)
      body(batch, Array(windows.tokens[batch.lowerBound * windows.length..<batch.upperBound * windows.length]))
    }
  }

  private func read(_ floats: Floats, windows batch: some Collection<Int>) -> Floats {
    let size = windows.length * spec.width, result = Floats(count: batch.count * size)
    for (place, window) in batch.enumerated() {
      result.pointer.advanced(by: place * size).update(from: floats.pointer + window * size, count: size)
    }
    return result
  }

  private func write(_ part: Floats, to floats: Floats, at batch: Range<Int>) {
    floats.pointer.advanced(by: batch.lowerBound * windows.length * spec.width).update(from: part.pointer, count: part.count)
  }
}

/// How training time is dealt out to the layers: as it costs, three products for each layer that is left, and as many for the head. Before
/// the first layer, with nothing quantized but the embedding, there is nothing that layers could make up for.
struct SuffixTrainingShare {
  /// Of the whole, what came before.
  let done: Double
  /// Of the whole, what this layer gets.
  let own: Double
  /// Of what is left.
  let ofRest: Double

  init(_ spec: ModelSpec, layer: Int) {
    let sizes = spec.layers.map { $0.tensors.reduce(0.0) { $0 + Double($1.shape.reduce(1, *)) } }
    let head = Double(spec.head.weight.shape.reduce(1, *))
    let costs = sizes.indices.map { $0 == 0 ? 0 : sizes[$0...].reduce(0, +) + head }
    let total = costs.reduce(0, +)
    done = total > 0 ? costs[..<layer].reduce(0, +) / total : 0
    own = total > 0 ? costs[layer] / total : 1
    ofRest = costs[layer] > 0 ? costs[layer] / costs[layer...].reduce(0, +) : 0
  }
}
