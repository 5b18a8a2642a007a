import Inference
import Kernels
import Models
import Tensors
import Training

/// Trains a model towards a teacher, and keeps the best of what came out.
public final class Distilling {
  /// What training is like at some step.
  public struct Look: Codable, Sendable, Equatable {
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

  /// How a training went, for reports.
  public struct Report: Codable, Sendable {
    /// Numbers that were trained.
    public var parameters: Int
    /// Windows to train on, and their length.
    public var windows: Int
    /// Tokens of a window.
    public var window: Int
    /// Every look at the texts kept aside.
    public var looks: [Look]
    /// The step whose model was kept.
    public var best: Int
    /// The step at which training went wrong and ended; nil where it did not.
    public var diverged: Int?
    /// The memory that was planned with.
    public var memory: TrainingMemory
  }

  let options: DistillingOptions
  private let windows: TokenWindows
  /// Whether a token is to be learned; nil for all.
  private let counted: [Bool]?
  private let training: [Int]
  private let aside: [Int]
  private let step: TrainingStep
  private let optimizer: AdamW
  private var best: (look: Look, values: [[Float]])?
  /// How training went.
  public private(set) var looks: [Look] = []
  /// The step at which gradients or the loss were no longer numbers, or the loss grew far beyond that of the start.
  public private(set) var diverged: Int?
  /// The memory that is planned with.
  public let memory: TrainingMemory
  /// The model.
  public let student: TrainedModel
  private let folder: JobFolder?
  private let hasTeacher: Bool

  /// Prepares training on the windows of a text.
  ///
  /// - Parameters:
  ///   - output: where the student will be written.
  ///   - workFolder: a folder that keeps the state at every look, to go on after an interruption.
  /// - Throws: `badInput` for a text with too few windows, and for weights that are not finite; `usage` for a teacher with another
  ///   vocabulary, and where memory does not suffice.
  public convenience init(
    student source: ModelSource, teacher: ModelSource?, text: CalibrationText, _ options: DistillingOptions,
    output: String, workFolder: String? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    try self.init(
      student: source, teacher: teacher, text: TrainingText(text), options, output: output, workFolder: workFolder,
      progress: progress)
  }

  /// The same on a text of which not all tokens may count.
  public init(
    student source: ModelSource, teacher: ModelSource?, text: TrainingText, _ options: DistillingOptions,
    output: String, workFolder: String? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    if let teacher { try Self.checkTokenizers(teacher, source) }
    try Self.checkTokens(of: text, source)
    memory = TrainingMemory(student: source, teacher: teacher, window: text.window, options)
    try memory.check(available: availableMemory(), options)
    self.options = options
    counted = text.counted
    hasTeacher = teacher != nil
    folder = try workFolder.map { (path) throws(LMToolError) in
      try JobFolder(path: path, job: try Self.job(source, teacher, text, options), output: output)
    }
    windows = text.windows
    guard windows.count >= 2 else {
      throw LMToolError(.badInput, "there is only one window of text, too little to learn from and to judge by; give more text")
    }
    let kept = min(options.heldOut, max(1, windows.count / 8)), spacing = windows.count / kept
    aside = (0..<kept).map { $0 * spacing }
    training = (0..<windows.count).filter { $0 % spacing != 0 || $0 / spacing >= kept }
    let arithmetic: MatrixProduct.Arithmetic = options.usesBF16 ? .bf16 : .f32
    student = try TrainedModel(
      source, plan: options.plan, window: windows.length, arithmetic: arithmetic, recomputes: options.recomputes,
      progress: progress)
    let length = text.windows.length
    let master = try teacher.map { (teacher) throws(LMToolError) in
      try TrainedModel(teacher, plan: .nothing, window: length, arithmetic: arithmetic, progress: progress)
    }
    var loss = options.loss
    if master == nil { loss.divergence = 0 }
    step = TrainingStep(student, teacher: master, options: loss)
    optimizer = AdamW(student.parameters, options.optimizer)
  }

  /// What a work folder is for.
  private static func job(
    _ student: ModelSource, _ teacher: ModelSource?, _ text: TrainingText, _ options: DistillingOptions
  ) throws(LMToolError) -> String {
    let master = try teacher.map { (teacher) throws(LMToolError) in try ModelFingerprint.of(teacher) } ?? "none"
    let bytes =
      text.windows.tokens.flatMap { token in (0..<4).map { UInt8(truncatingIfNeeded: token >> (8 * $0)) } }
      + (text.counted ?? []).map { $0 ? 1 : 0 }
    return
      "lmtool \(Exporting.version)\nstudent \(try ModelFingerprint.of(student))\nteacher \(master)\ntext \(Digest.hex(bytes))\n"
      + "options \(options)\n"
  }

  /// Trains until time, tokens or patience run out, from where it was interrupted if it was; afterwards the student is the best of what
  /// was seen.
  ///
  /// - Throws: `badInput` for a checkpoint that is damaged; `inputOutput` when the disk is full.
  public func run(progress: ProgressConsumer? = nil) throws(LMToolError) {
    let clock = ContinuousClock(), start = clock.now, checkpoint = folder.map { TrainingCheckpoint($0) }
    var state = TrainingCheckpoint.State(
      tokens: 0, epoch: 0, order: [], steps: 0, seconds: 0, looksSinceBest: 0, looks: [], best: 0)
    if let kept = try checkpoint?.load(into: student.parameters, optimizer.moments) {
      state = kept.state
      looks = state.looks
      if let look = looks.first(where: { $0.step == state.best }) { best = (look, kept.best) }
      optimizer.resume(after: state.steps)
      student.refresh()
    }
    let before = state.seconds
    func seconds() -> Double {
      let passed = (clock.now - start).components
      return before + Double(passed.seconds) + Double(passed.attoseconds) * 1e-18
    }
    if looks.isEmpty { look(step: 0, tokens: 0, seconds: seconds()) }
    while state.looksSinceBest < options.patience, diverged == nil {
      let fraction = max(
        options.maximumTokens.map { Double(state.tokens) / Double($0) } ?? 0,
        options.maximumSeconds.map { seconds() / $0 } ?? 0)
      if fraction >= 1 || (options.isEndless && state.epoch > 1) { break }
      guard take(next(&state), rate: options.rate(at: fraction)) else {
        diverged = optimizer.steps + 1
        break
      }
      state.tokens += options.batch * windows.length
      state.steps = optimizer.steps
      progress?(ProgressUpdate(stage: "train", done: Int(fraction * 1000), total: 1000, unit: .thousandths))
      guard optimizer.steps % options.interval == 0 else { continue }
      look(step: optimizer.steps, tokens: state.tokens, seconds: seconds())
      state.looksSinceBest = best?.look.step == optimizer.steps ? 0 : state.looksSinceBest + 1
      try keep(&state, seconds: seconds(), checkpoint)
    }
    if diverged == nil, looks.last?.step != optimizer.steps {
      look(step: optimizer.steps, tokens: state.tokens, seconds: seconds())
    }
    restoreBest()
  }

  /// The windows of the next step.
  private func next(_ state: inout TrainingCheckpoint.State) -> [Int] {
    if state.order.count < options.batch {
      state.order += shuffled(state.epoch)
      state.epoch += 1
    }
    defer { state.order.removeFirst(min(options.batch, state.order.count)) }
    return Array(state.order.prefix(options.batch))
  }

  private func keep(
    _ state: inout TrainingCheckpoint.State, seconds: Double, _ checkpoint: TrainingCheckpoint?
  ) throws(LMToolError) {
    guard let checkpoint, let best else { return }
    state.looks = looks
    state.best = best.look.step
    state.seconds = seconds
    try checkpoint.save(state, student.parameters, optimizer.moments, best: best.values)
  }

  /// How it went.
  public var report: Report {
    Report(
      parameters: student.parameters.reduce(0) { $0 + $1.values.count }, windows: training.count, window: windows.length,
      looks: looks,
      best: best?.look.step ?? 0, diverged: diverged, memory: memory)
  }

  /// Removes the work folder: the job is done.
  public func finish() { folder?.remove() }

  /// One step over some windows, as many passes as it takes; false when the gradient is no number, and nothing was moved.
  private func take(_ batch: [Int], rate: Double) -> Bool {
    let total = max(1, batch.reduce(0) { $0 + targets([$1]).weights.count })
    for start in stride(from: 0, to: batch.count, by: options.together) {
      let part = batch[start..<min(start + options.together, batch.count)]
      let tokens = part.flatMap(window)
      _ = step.addGradients(tokens, window: windows.length, targets(Array(part)), total: Double(total))
    }
    guard optimizer.step(rate: rate).isFinite else { return false }
    student.refresh()
    return true
  }

  /// What some windows are to predict, passing one after the other: the next token wherever it counts.
  private func targets(_ indices: [Int]) -> LossTargets {
    let tokens = indices.flatMap(window), all = LossTargets(predicting: tokens, window: windows.length)
    guard let counted else { return all }
    var some = LossTargets()
    for (index, row) in all.rows.enumerated() {
      let place = indices[row / windows.length] * windows.length + row % windows.length
      guard counted[place + 1] else { continue }
      some.rows.append(row)
      some.labels.append(all.labels[index])
      some.weights.append(1)
    }
    return some
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
      sums += step.evaluate(window(index), window: windows.length, targets([index]))
    }
    let look = Look(
      step: number, tokens: tokens, seconds: seconds, divergence: sums.divergence / sums.weight,
      likelihood: sums.likelihood / sums.weight)
    looks.append(look)
    let share = hasTeacher ? Double(options.loss.divergence) : 0
    func loss(_ look: Look) -> Double { share * look.divergence + (1 - share) * look.likelihood }
    let first = loss(looks[0])
    // Far beyond the start: such a model does not come back before its rate has fallen, and then to nothing good.
    guard loss(look).isFinite, loss(look) <= 2 * first + 1 else {
      diverged = number
      return
    }
    if best.map({ loss(look) < loss($0.look) }) ?? true { best = (look, student.parameters.map(\.values.array)) }
  }

  private func restoreBest() {
    guard let best else { return }
    for (parameter, values) in zip(student.parameters, best.values) { parameter.values.update(from: values) }
    student.refresh()
  }
}

extension Distilling {
  /// Writes the student: a healed artifact as an artifact, a healed quantized directory as one, any other as a model directory in f32.
  ///
  /// - Parameter certificate: makes the record of quality of an artifact; nil leaves it out.
  public func write(
    _ source: ModelSource, to path: String, certificate: CertificateRequest? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    let trained = try source.with(student)
    if case .factors = options.plan, Quantizing.isQuantized(source), !source.format.hasPrefix("lmz") {
      try QuantizedFolder.write(trained, to: path)
    } else if case .factors = options.plan {
      let recipe: JSONValue = .object(["distill": .object(["steps": .int(optimizer.steps)])])
      _ = try Exporting.lmz(trained, to: path, recipe: recipe, certificate: certificate, progress: progress)
    } else {
      try Importing.run(trained, to: path, type: .f32, progress: progress)
    }
  }
}
