import Inference
import Models
import Tensors

/// What a model is like on text: second moments of what enters its matrices, and how much each matrix matters for what it says.
///
/// It belongs to one model, and may be saved and read again (`formats/calibration.md`).
public struct Calibration: Sendable {
  /// The model, by its `ModelFingerprint`.
  let model: String
  /// The text that it was made with.
  var windows: TokenWindows
  /// How much each matrix matters.
  let sensitivities: Sensitivities
  /// The variance that quantization at about 2.4 bits a weight adds to each output of a matrix, by tensor name.
  let noise: [String: Double]
  /// E[x xᵀ] of what enters the head.
  let headMoment: [Float]
  /// Σ λ squared, divided by Σ λ², of the second moment of each group: in how many directions its inputs lie. In the order of computation.
  let effectiveRanks: [Double]
  /// What the person who gave the text should know.
  public internal(set) var warnings: [String] = []
  /// Where the second moments are, if they were saved.
  var moments: StoredMoments?

  /// Tokens of a window.
  public var window: Int { windows.length }
  /// Tokens in all.
  public var tokens: Int { windows.tokens.count }

  /// Runs `text` through `source`, layer by layer.
  ///
  /// - Parameter path: where to save the calibration with all second moments; without, they are not kept.
  /// - Throws: `badInput` for weights that are not finite; `cannotCreate`, `inputOutput`.
  public static func collect(
    _ source: ModelSource, _ text: CalibrationText, to path: String? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> Calibration {
    if let path { try OutputPath.check(path, against: source) }
    let model = try ModelFingerprint.of(source)
    let writer = try path.map { (path) throws(LMToolError) in
      try CalibrationWriter(path: path, model: model, spec: source.spec, windows: text.windows)
    }
    let collector = MomentCollector(source, writer: writer)
    let (warnings, headMoment) = try run(source, text, collector, progress: progress)
    try writer?.write(headMoment, size: source.spec.head.inputs)
    let sample = text.windows.sample(Self.probeWindows, length: Self.probeTokens)
    let measured = try SensitivityProbe(source, windows: sample).measure(variances: collector.variances, progress: progress)
    let sensitivities = measured.rounded, noise = collector.variances.mapValues { Double(Float($0)) }
    try writer?.finish(sensitivities, effectiveRanks: collector.effectiveRanks, noise: noise)
    return Calibration(
      model: model, windows: text.windows, sensitivities: sensitivities, noise: noise, headMoment: headMoment,
      effectiveRanks: collector.effectiveRanks, warnings: warnings,
      moments: try path.map { (path) throws(LMToolError) in try StoredMoments(path: path) })
  }

  /// What the probe of sensitivities sees: some windows, cut.
  private static let probeWindows = 4, probeTokens = 128

  /// The pass over all layers, and what the model thinks of the text; the memory that it took is free when it returns.
  private static func run(
    _ source: ModelSource, _ text: CalibrationText, _ collector: MomentCollector, progress: ProgressConsumer?
  ) throws(LMToolError) -> (warnings: [String], headMoment: [Float]) {
    let embedding = try LayerMatrices.floats(source.spec.embedding, of: source)
    let pass = try LayerwisePass(source, windows: text.windows, embedding: embedding)
    try pass.run(collector, progress: progress)
    return (
      try TextLikelihood(source, embedding: embedding).warnings(for: text, after: pass.path),
      try HeadMoment.of(source, pass.path)
    )
  }

  /// The calibration that `options` ask for: read from a file, or made.
  ///
  /// - Parameters:
  ///   - path: where to save it, if it is made.
  ///   - warn: receives what the person who gave the text should know, as soon as it is known.
  /// - Throws: `usage` for options that contradict each other; `missingInput`, `badInput` for files that are not what they should be.
  public static func obtain(
    _ source: ModelSource, _ options: CalibrationOptions, savingTo path: String? = nil, progress: ProgressConsumer? = nil,
    warn: (String) -> Void = { _ in }
  ) throws(LMToolError) -> Calibration {
    if let file = options.file {
      try options.validate(for: source.spec)
      return try Calibration(file: file, for: source)
    }
    let text = try CalibrationText(source, options, progress: progress)
    text.warnings.forEach(warn)
    let calibration = try collect(source, text, to: path, progress: progress)
    calibration.warnings.forEach(warn)
    return calibration
  }

  /// The calibration without its last windows, and these, to judge by; a calibration of few windows keeps them all.
  func split(heldOut: Int) -> (kept: Calibration, aside: TokenWindows) {
    let count = min(heldOut, (windows.count + 7) / 8) * windows.length
    var kept = self
    if windows.count > 1 { kept.windows = TokenWindows(Array(windows.tokens.dropLast(count)), length: windows.length) }
    return (kept, TokenWindows(Array(windows.tokens.suffix(count)), length: windows.length))
  }

  /// E[x xᵀ] [inputs, inputs] of what enters the matrices of a group in the original model; nil when moments were not kept.
  ///
  /// - Throws: `badInput` by CAL-2 and CAL-5.
  func secondMoment(of group: MatrixGroup) throws(LMToolError) -> [Float]? { try moments?.read(group) }
}

extension Sensitivities {
  /// In single precision, as they are saved.
  fileprivate var rounded: Sensitivities {
    var rounded = self
    rounded.matrices = matrices.mapValues { Double(Float($0)) }
    rounded.embedding = Double(Float(embedding))
    return rounded
  }
}
