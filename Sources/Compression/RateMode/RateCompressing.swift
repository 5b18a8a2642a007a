import Artifacts
import Inference
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors
import Tokenizers

/// What a compression in rate mode aims at.
public enum RateGoal: Sendable, Equatable {
  /// A file of at most so many bytes, everything included.
  case bytes(Int)
  /// So many bits of the file per weight of the original.
  case bits(Double)
  /// The smallest file whose KL from the original is at most so many nats.
  case divergence(Double)

  /// Whether it names a size.
  var isSize: Bool {
    switch self {
    case .bytes, .bits: true
    case .divergence: false
    }
  }
}

/// Compresses a model in rate mode: calibrates, quantizes every matrix at the rate it deserves, codes, fits the file to its budget, and
/// measures what was lost.
public struct RateCompressing {
  private let source: ModelSource
  private let path: String
  private let options: RateOptions
  private let workFolder: String?
  private let vocabulary: VocabularyGoal
  private let structure: StructureGoal
  private let certificate: CertificateRequest?
  private let progress: ProgressConsumer?

  /// Windows of the calibration text that are kept aside to judge the result by.
  private static let heldOutWindows = 4

  /// A compression of `source` into the file `path`.
  ///
  /// - Parameters:
  ///   - vocabulary: how many tokens to keep.
  ///   - structure: whether parts of layers may go.
  ///   - workFolder: a folder that keeps what is done, to go on after an interruption.
  ///   - certificate: makes the record of quality that goes into the file; nil leaves it out.
  public init(
    _ source: ModelSource, to path: String, options: RateOptions = RateOptions(), vocabulary: VocabularyGoal = .automatic,
    structure: StructureGoal = .automatic, workFolder: String? = nil, certificate: CertificateRequest? = nil,
    progress: ProgressConsumer? = nil
  ) {
    self.certificate = certificate
    self.source = source
    self.path = path
    self.options = options
    self.vocabulary = vocabulary
    self.structure = structure
    self.workFolder = workFolder
    self.progress = progress
  }

  /// Calibrates, unless the work folder has a calibration, and compresses.
  ///
  /// - Throws: `usage` when the goal cannot be reached, saying what can; nothing is left behind then.
  public func run(_ goal: RateGoal, calibration: CalibrationOptions, warn: (String) -> Void = { _ in }) throws(LMToolError)
    -> RateReport
  {
    try OutputPath.check(path, against: source)
    var timer = StageTimer()
    let work = try workFolder.map { (folder) throws(LMToolError) in
      try RateWork(path: folder, job: try job(goal, calibration), output: path)
    }
    let choice = try choose(goal, calibration)
    try check(goal, choice.source)
    let scratch = structure == .whole || work != nil ? nil : try WorkFolder(beside: path), made: Calibration
    if let work, work.hasCalibration {
      made = try Calibration(file: work.calibration, for: choice.source)
    } else {
      // Second moments are needed again to weigh the parts of layers.
      let moments = scratch.map { $0.path + "/calibration.safetensors" }
      made = try Calibration.obtain(
        choice.source, calibration, savingTo: work?.calibration ?? moments, progress: progress, warn: warn)
    }
    timer.finish("calibration")
    return try run(goal, choice, calibration: made, work: work, scratch: scratch, timer: &timer)
  }

  /// The windows of the calibration, and as long ones of the files to train on.
  private func trainingWindows(
    _ source: ModelSource, beside windows: TokenWindows
  ) throws(LMToolError) -> TokenWindows {
    guard var files = options.trainingText else { return windows }
    files.window = windows.length
    files.tokens = files.tokens ?? RateOptions.usualTrainingTokens
    let text = try CalibrationText(source, files, progress: progress)
    guard text.window == windows.length else {
      throw LMToolError(
        .badInput, "there are fewer than \(windows.length) tokens in it, a window of the calibration; give more text",
        file: (files.texts + files.chats).joined(separator: ", "))
    }
    return TokenWindows(windows.tokens + text.windows.tokens, length: windows.length)
  }

  /// The vocabulary, before anything else: the calibration is made with it.
  private func choose(_ goal: RateGoal, _ calibration: CalibrationOptions) throws(LMToolError) -> VocabularyChoice {
    if vocabulary == .whole { return VocabularyChoice(whole: source, because: "kept whole, as asked") }
    if calibration.file != nil {
      guard vocabulary == .automatic else {
        throw LMToolError(
          .usage, "the calibration was made with the whole vocabulary; give the text itself to trim the vocabulary")
      }
      return VocabularyChoice(whole: source, because: "kept whole: the calibration that was given was made with it")
    }
    guard !calibration.isOwnSamples else {
      guard case .tokens(let size) = vocabulary else {
        return VocabularyChoice(whole: source, because: "kept whole: only a text of the user's tells which tokens nobody needs")
      }
      return try VocabularyChoice(source, .tokens(size), budget: source.parameterCount / 4, tokens: [], progress: progress)
    }
    let text = try CalibrationText(source, calibration, progress: progress)
    return try VocabularyChoice(source, vocabulary, budget: bytes(of: goal), tokens: text.windows.tokens, progress: progress)
  }

  /// The bytes of a goal, for what must be decided before they are known.
  private func bytes(of goal: RateGoal) -> Int {
    switch goal {
    case .bytes(let bytes): bytes
    case .bits(let bits): Int(bits * Double(source.parameterCount) / 8)
    case .divergence: Int(2.5 * Double(source.parameterCount) / 8)
    }
  }

  /// What a work folder is for.
  private func job(_ goal: RateGoal, _ calibration: CalibrationOptions) throws(LMToolError) -> String {
    "lmtool \(Exporting.version)\nmodel \(try ModelFingerprint.of(source))\ngoal \(goal)\noptions \(options)\n"
      + "vocabulary \(vocabulary)\nstructure \(structure)\ncalibration \(calibration)\n"
  }

  /// Compresses with a calibration that is there already.
  public func run(_ goal: RateGoal, calibration: Calibration) throws(LMToolError) -> RateReport {
    var timer = StageTimer()
    try OutputPath.check(path, against: source)
    let choice = VocabularyChoice(whole: source, because: "kept whole: the calibration was made with it")
    let scratch = structure == .whole ? nil : try WorkFolder(beside: path)
    return try run(goal, choice, calibration: calibration, work: nil, scratch: scratch, timer: &timer)
  }

  private func run(
    _ goal: RateGoal, _ choice: VocabularyChoice, calibration: Calibration, work: RateWork?, scratch: WorkFolder?,
    timer: inout StageTimer
  ) throws(LMToolError) -> RateReport {
    defer { withExtendedLifetime(scratch) {} }
    try check(goal, choice.source)
    let (kept, aside) = calibration.split(heldOut: Self.heldOutWindows)
    let trained = try trainingWindows(choice.source, beside: kept.windows)
    if let training = options.training {
      try SuffixTraining.checkMemory(
        choice.source, teacher: choice.source, tokens: trained.tokens.count, window: trained.length, training)
    }
    let folder = try structure == .automatic ? work?.makeStructureFolder() : nil
    let left = try weigh(goal, choice.source, kept, folder: folder ?? scratch?.path)
    timer.finish("structure")
    let model = try RateModel(
      left.source, of: choice.source, left.calibration, trainingWindows: trained, options: options, work: work,
      progress: progress)
    timer.finish("gradients")
    let judge = try RateJudge(source, windows: aside, tokenizedBy: choice.source)
    var report: RateReport
    switch goal {
    case .bytes(let bytes): report = try compress(model, bytes: bytes, judge, timer: &timer)
    case .bits(let bits):
      report = try compress(model, bytes: Int(bits * Double(source.parameterCount) / 8), judge, timer: &timer)
    case .divergence(let target): report = try search(model, target, judge, timer: &timer)
    }
    report.model = source.path
    report.calibrationTokens = calibration.tokens
    if options.training != nil || options.healing != nil { report.trainingTokens = trained.tokens.count }
    report.parameters = source.parameterCount
    report.vocabularyBefore = source.spec.vocabularySize
    report.vocabularyReason = choice.reason
    report.structure = left.report
    report.seconds = timer.seconds
    work?.remove()
    return report
  }

  /// The parts of layers that are worth their bytes.
  private func weigh(
    _ goal: RateGoal, _ source: ModelSource, _ calibration: Calibration, folder: String?
  ) throws(LMToolError) -> StructureChoice {
    guard structure == .automatic, let folder else { return StructureChoice(whole: source, calibration, because: "as asked") }
    guard calibration.moments != nil else {
      return StructureChoice(whole: source, calibration, because: "the calibration has no second moments to weigh its parts by")
    }
    return try StructureChoice.weigh(source, calibration, budget: bytes(of: goal), folder: folder, progress: progress)
  }

  // MARK: A budget

  /// A model that was quantized for a size, trained and healed where that was asked for, and judged; its file is not written yet.
  private struct Attempt {
    let fitting: RateFitting
    let finished: ModelSource
    let budget: Int
    /// As if all that is kept for a certificate were used.
    let report: RateReport
  }

  private func compress(
    _ model: RateModel, bytes: Int, _ judge: RateJudge, timer: inout StageTimer
  ) throws(LMToolError) -> RateReport {
    try write(try attempt(model, bytes: bytes, judge, timer: &timer), timer: &timer)
  }

  private func attempt(
    _ model: RateModel, bytes: Int, _ judge: RateJudge, timer: inout StageTimer
  ) throws(LMToolError) -> Attempt {
    let fitting = RateFitting(model, path: path, certificate: certificate, progress: progress)
    let forCertificate = RateFitting.reserve(certificate, bytes)
    let reserve = (options.healing == nil ? 0 : RateHealing.bytes(model.source.spec)) + forCertificate
    let first = try quantize(fitting, bytes: bytes - fixedBytes(model.source) - reserve, budget: bytes - reserve, &timer)
    var (result, size) = (first.result, first.size)
    var before: (training: RateReport.Quality?, healing: RateReport.Quality?)
    if options.training != nil {
      before.training = try judge.judge(try model.model(result.account), progress: progress)
      (result, size) = try fitting.attempt(bytes: first.aim, budget: bytes - reserve, trains: true)
      timer.finish("training")
    }
    var healing: RateHealing?
    if let options = options.healing {
      let packed = try model.model(result.account)
      before.healing = try judge.judge(packed, progress: progress)
      let healed = try RateHealing(
        packed, teacher: model.original, windows: model.trainingWindows, options, folder: model.folder, progress: progress)
      size = try fitting.refit(result, healed, budget: bytes - forCertificate)
      healing = healed
      timer.finish("healing")
    }
    let finished = try fitting.finished(result, healing)
    var report = RateReport(model.source, result.account, bytes: size + forCertificate, originalBytes: originalBytes)
    report.budget = bytes
    report.quality = [try judge.judge(finished, progress: progress)]
    report.qualityBeforeTraining = before.training
    report.qualityBeforeHealing = before.healing
    report.training = result.training.isEmpty ? nil : result.training
    timer.finish("evaluation")
    return Attempt(fitting: fitting, finished: finished, budget: bytes, report: report)
  }

  private func write(_ attempt: Attempt, timer: inout StageTimer) throws(LMToolError) -> RateReport {
    var report = attempt.report
    report.correct(bytes: try attempt.fitting.write(attempt.finished, budget: attempt.budget))
    timer.finish("packing")
    return report
  }

  /// Quantizes, without training.
  ///
  /// - Returns: the model, the bytes of its file, and those of matrices that were aimed at.
  private func quantize(
    _ fitting: RateFitting, bytes: Int, budget: Int, _ timer: inout StageTimer
  ) throws(LMToolError) -> (result: RateModel.Result, size: Int, aim: Int) {
    var aim = bytes
    var (result, size) = try fitting.attempt(bytes: aim, budget: budget)
    timer.finish("quantization")
    // Forecasts are poor for tiny and sparse models and at extreme rates, and the last matrix does not make up for everything: what the file
    // came out at says better what to aim at.
    for _ in 0..<2 {
      let room = budget - size
      guard room < 0 || (room > budget / 100 && !fitting.model.isAtMost(bytes)) else { break }
      aim = bytes + room - budget / 1000
      (result, size) = try fitting.attempt(bytes: aim, budget: budget)
      timer.finish("quantization")
    }
    return (result, size, aim)
  }

  /// Bytes of the file besides the matrices: tokenizer, norms, manifest, contexts.
  private func fixedBytes(_ source: ModelSource) -> Int {
    let tokenizer = source.tokenizer.map { $0.serialized().count * 47 / 100 } ?? 0
    let vectors = source.tensors.values.filter { $0.shape.count != 2 }.reduce(0) { $0 + 2 * $1.count }
    let contexts = source.tensors.values.filter { $0.shape.count == 2 }
      .reduce(0) { $0 + RateAccount.contextBytes(rows: $1.shape[0], columns: $1.shape[1]) }
    return tokenizer + vectors + contexts + 60 * source.tensors.count + 4000
  }

  /// Refuses a budget that nothing fits into, before hours are spent on it.
  private func check(_ goal: RateGoal, _ source: ModelSource) throws(LMToolError) {
    guard goal.isSize else { return }
    let bytes = bytes(of: goal), least = leastBytes(overhead: fixedBytes(source) + RateFitting.reserve(certificate, bytes))
    guard bytes < least else { return }
    throw LMToolError(
      .usage,
      "the budget of \(bytes) bytes is too small: even at a tenth of a bit a weight, where nothing of the model is left, the file has "
        + "\(least); ask for more, or start from a smaller model", file: source.path)
  }

  private func leastBytes(overhead: Int) -> Int { overhead + source.parameterCount / 80 }

  // MARK: A divergence

  /// Looks for the smallest file that keeps a KL: the logarithm of the KL falls almost evenly with the bytes.
  private func search(
    _ model: RateModel, _ target: Double, _ judge: RateJudge, timer: inout StageTimer
  ) throws(LMToolError) -> RateReport {
    guard target > 0, target.isFinite else { throw LMToolError(.usage, "--kl must be a number of nats above 0") }
    var tried: [(bytes: Int, logarithm: Double)] = []
    var best: Attempt?
    var bytes = Int(2.5 * Double(source.parameterCount) / 8)
    let goal = BinaryLogarithm.approximate(target)
    for _ in 0..<5 {
      let least = leastBytes(overhead: fixedBytes(model.source) + RateFitting.reserve(certificate, bytes))
      let attempt = try attempt(model, bytes: max(bytes, least), judge, timer: &timer)
      let found = max(attempt.report.quality[0].divergence, 1e-9), size = attempt.report.bytes
      tried.append((size, BinaryLogarithm.approximate(found)))
      if found <= target, size < best?.report.bytes ?? Int.max { best = attempt }
      if found <= target, found > 0.95 * target { break }
      bytes = next(tried, goal: goal - 0.03)
    }
    guard let best else {
      throw LMToolError(
        .usage, "no file keeps the KL below \(target); rate mode cannot come so close to the original", file: source.path)
    }
    return try write(best, timer: &timer)
  }

  private func next(_ tried: [(bytes: Int, logarithm: Double)], goal: Double) -> Int {
    let last = tried[tried.count - 1]
    // Octaves of KL for a byte: a bit a weight is worth a factor of 4 and a bit.
    var slope = -2.2 * 8 / Double(source.parameterCount)
    if tried.count > 1 {
      let other = tried[tried.count - 2]
      let measured = (last.logarithm - other.logarithm) / Double(last.bytes - other.bytes)
      if last.bytes != other.bytes, measured < slope / 4, measured > slope * 4 { slope = measured }
    }
    return max(1, last.bytes + Int((goal - last.logarithm) / slope))
  }

  private var originalBytes: Int { source.files.reduce(0) { $0 + $1.count } }
}

/// Seconds of stages.
struct StageTimer {
  private(set) var seconds: [String: Double] = [:]
  private var last = ContinuousClock.now

  /// Ends a stage that began when the last one ended.
  mutating func finish(_ stage: String) {
    let now = ContinuousClock.now
    let passed = now - last
    seconds[stage, default: 0] += Double(passed.components.seconds) + Double(passed.components.attoseconds) * 1e-18
    last = now
  }
}
