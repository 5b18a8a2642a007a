import Inference
import Kernels
import Models
import Tensors
import Training

/// Trains a model towards a teacher, and keeps the best of what came out.
public final class Distilling {
  /// What training is like at some step.
  public struct Look: Codable, Sendable {
    /// Steps so far.
    public var step: Int
    /// Tokens so far.
    public var tokens: Int
    /// Seconds so far.
    public var seconds: Double
    /// KL(teacher ‖ student) on the texts kept aside, in nats; at the temperature of the loss.
    public var divergence: Double
    /// -log likelihood of these texts, in nats a token.
    public var likelihood: Double
  }

  private let options: DistillingOptions
  private let windows: TokenWindows
  private let training: [Int]
  private let aside: [Int]
  private let step: TrainingStep
  private let optimizer: AdamW
  private var best: (look: Look, values: [[Float]])?
  /// How training went.
  public private(set) var looks: [Look] = []
  /// The model.
  public let student: TrainedModel

  /// Prepares training on the windows of a text.
  ///
  /// - Throws: `badInput` for a text with too few windows, and for weights that are not finite.
  public init(
    student source: ModelSource, teacher: ModelSource?, text: CalibrationText, _ options: DistillingOptions,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    self.options = options
    windows = text.windows
    guard windows.count >= 2 else {
      throw LMToolError(.badInput, "there is only one window of text, too little to learn from and to judge by; give more text")
    }
    let kept = min(options.heldOut, max(1, windows.count / 8)), spacing = windows.count / kept
    aside = (0..<kept).map { $0 * spacing }
    training = (0..<windows.count).filter { $0 % spacing != 0 || $0 / spacing >= kept }
    let arithmetic: MatrixProduct.Arithmetic = options.usesBF16 ? .bf16 : .f32
    student = try TrainedModel(
      source, plan: options.plan, window: windows.length, arithmetic: arithmetic, progress: progress)
    let length = text.windows.length
    let master = try teacher.map { (teacher) throws(LMToolError) in
      try TrainedModel(teacher, plan: .nothing, window: length, arithmetic: arithmetic, progress: progress)
    }
    var loss = options.loss
    if master == nil { loss.divergence = 0 }
    step = TrainingStep(student, teacher: master, options: loss)
    optimizer = AdamW(student.parameters, options.optimizer)
  }

  /// Trains until time, tokens or patience run out; afterwards the student is the best of what was seen.
  public func run(progress: ProgressConsumer? = nil) {
    let clock = ContinuousClock(), start = clock.now
    func seconds() -> Double {
      let passed = (clock.now - start).components
      return Double(passed.seconds) + Double(passed.attoseconds) * 1e-18
    }
    var tokens = 0, looksSinceBest = 0, order: [Int] = [], epoch: UInt64 = 0
    look(step: 0, tokens: 0, seconds: seconds())
    while true {
      let fraction = max(
        options.maximumTokens.map { Double(tokens) / Double($0) } ?? 0,
        options.maximumSeconds.map { seconds() / $0 } ?? 0)
      if fraction >= 1 || (options.maximumTokens == nil && options.maximumSeconds == nil && epoch > 1) { break }
      if order.count < options.batch {
        order = shuffled(epoch)
        epoch += 1
      }
      let batch = Array(order.prefix(options.batch))
      order.removeFirst(min(options.batch, order.count))
      take(batch, rate: options.rate(at: fraction))
      tokens += batch.count * windows.length
      progress?(
        ProgressUpdate(stage: "train", done: Int(fraction * 1000), total: 1000, unit: .passes))
      if optimizer.steps % options.interval == 0 {
        look(step: optimizer.steps, tokens: tokens, seconds: seconds())
        looksSinceBest = best?.look.step == optimizer.steps ? 0 : looksSinceBest + 1
        if looksSinceBest >= options.patience { break }
      }
    }
    if looks.last?.step != optimizer.steps { look(step: optimizer.steps, tokens: tokens, seconds: seconds()) }
    restoreBest()
  }

  /// One step over some windows, as many passes as it takes.
  private func take(_ batch: [Int], rate: Double) {
    let total = Double(batch.count * (windows.length - 1))
    for start in stride(from: 0, to: batch.count, by: options.together) {
      let part = batch[start..<min(start + options.together, batch.count)]
      let tokens = part.flatMap(window)
      let targets = LossTargets(predicting: tokens, window: windows.length)
      _ = step.addGradients(tokens, window: windows.length, targets, total: total)
    }
    optimizer.step(rate: rate)
    student.refresh()
  }

  private func window(_ index: Int) -> [Int32] {
    Array(windows.tokens[index * windows.length..<(index + 1) * windows.length])
  }

  /// The windows to train on, in the random order of an epoch.
  private func shuffled(_ epoch: UInt64) -> [Int] {
    var random = Random(seed: options.seed &* 1_000_003 &+ epoch), order = training
    for index in order.indices.reversed() {
      order.swapAt(index, min(index, Int(random.unit() * Double(index + 1))))
    }
    return order
  }

  /// Judges the student on the windows kept aside, and keeps it if it is the best.
  private func look(step number: Int, tokens: Int, seconds: Double) {
    var sums = LossSums()
    for index in aside {
      let tokens = window(index)
      sums += step.evaluate(tokens, window: windows.length, LossTargets(predicting: tokens, window: windows.length))
    }
    let look = Look(
      step: number, tokens: tokens, seconds: seconds, divergence: sums.divergence / sums.weight,
      likelihood: sums.likelihood / sums.weight)
    looks.append(look)
    let share = Double(options.loss.divergence)
    func loss(_ look: Look) -> Double { share * look.divergence + (1 - share) * look.likelihood }
    if best.map({ loss(look) < loss($0.look) }) ?? true { best = (look, student.parameters.map(\.values.array)) }
  }

  private func restoreBest() {
    guard let best else { return }
    for (parameter, values) in zip(student.parameters, best.values) {
      values.withUnsafeBufferPointer { parameter.values.pointer.update(from: $0.baseAddress!, count: $0.count) }
    }
    student.refresh()
  }
}

extension Distilling {
  /// Writes the student: a healed artifact as an artifact, any other as a model directory in f32.
  public func write(_ source: ModelSource, to path: String, progress: ProgressConsumer? = nil) throws(LMToolError) {
    let trained = try source.with(student)
    if case .factors = options.plan {
      let recipe: JSONValue = .object(["distill": .object(["steps": .int(optimizer.steps)])])
      _ = try Exporting.lmz(trained, to: path, recipe: recipe, progress: progress)
    } else {
      try Importing.run(trained, to: path, type: .f32, progress: progress)
    }
  }
}
