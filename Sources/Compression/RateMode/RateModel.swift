import Inference
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors

/// Quantizes a model in rate mode until its matrices take a given number of bytes.
struct RateModel {
  /// The model.
  let source: ModelSource
  /// What training aims at: the model before parts of its layers went.
  let original: ModelSource
  private let calibration: Calibration
  /// What is trained on.
  let trainingWindows: TokenWindows
  private let options: RateOptions
  private let work: RateWork?
  private let embedding: [Float]
  private let statistics: OutputStatistics

  /// Prepares a model, all or a part of `original`; the windows of the calibration are what layers are run on, `trainingWindows` what they
  /// are trained on.
  init(
    _ source: ModelSource, of original: ModelSource, _ calibration: Calibration, trainingWindows: TokenWindows,
    options: RateOptions, work: RateWork?, progress: ProgressConsumer?
  ) throws(LMToolError) {
    self.source = source
    self.original = original
    self.calibration = calibration
    self.trainingWindows = trainingWindows
    self.options = options
    self.work = work
    embedding = try LayerMatrices.floats(source.spec.embedding, of: source)
    statistics = try OutputStatistics(source, windows: calibration.windows, progress: progress)
  }

  /// The account of a model that was quantized, and what fits it to the last byte.
  final class Result {
    let account: RateAccount
    /// How layers were trained on the way.
    let training: [SuffixTrainingStage]
    private let last: LastMatrix?
    private var level: Double

    init(_ account: RateAccount, last: LastMatrix?, training: [SuffixTrainingStage]) {
      self.account = account
      self.last = last
      self.training = training
      level = account.steps[last?.name ?? ""].map { $0 / account.scale(last?.name ?? "") } ?? 1
    }

    /// Quantizes the last matrix once more, so that it takes about so many bytes more, or less.
    ///
    /// - Returns: whether there was room for that.
    func resize(by bytes: Int) throws(LMToolError) -> Bool {
      guard let last, let histogram = account.histograms[last.name] else { return false }
      let bits = Double(8 * bytes) / Double(max(1, histogram.symbols))
      guard abs(bits) < 4 else { return false }
      level *= BinaryLogarithm.power(-bits)
      let matrix = try account.quantizer.quantize(
        last.target, rows: last.rows, inputs: last.inputs, step: level * account.scale(last.name),
        outputs: last.outputs)
      try account.replace(last.name, matrix, level: level)
      return true
    }
  }

  /// The most bits a weight that are worth having: the error is a thousandth of the weights then.
  private static let mostBits = 8.0

  /// Bytes of matrices at the most bits that are worth having.
  private var mostBytes: Int {
    Int(Double(source.tensors.values.filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }) * Self.mostBits / 8)
  }

  /// Whether more than so many bytes would be of no use.
  func isAtMost(_ bytes: Int) -> Bool { bytes >= mostBytes }

  /// Begins an attempt at another size.
  func beginAttempt() { work?.beginAttempt() }

  /// The folder that keeps what is done; nil where nothing is kept.
  var folder: JobFolder? { work?.folder }

  /// Quantizes every matrix so that all together take about `bytes`.
  ///
  /// - Parameter trains: whether the layers that are left are trained on the way, as the options say.
  func quantize(bytes: Int, trains: Bool = false, progress: ProgressConsumer?) throws(LMToolError) -> Result {
    let bytes = min(bytes, mostBytes)
    let parts = try embeddings(trains: trains), account = makeAccount(bytes: bytes, parts)
    let quantized = try quantizeEmbedding(parts, account)
    let pass = try LayerwisePass(source, windows: calibration.windows, embedding: quantized, original: embedding)
    let training = try (trains ? options.training : nil).map { (options) throws(LMToolError) in
      var replaced: [String: [Float]] = [:]
      for (name, matrix) in account.matrices { replaced[name] = try matrix.dequantized() }
      return try SuffixTraining(
        source, teacher: original, windows: trainingWindows, replaced: replaced, options, folder: work?.folder, progress: progress
      )
    }
    let visitor = RatePass(source, options: options, account: account, work: work, statistics: statistics, training: training)
    try pass.run(visitor) { update in
      progress?(ProgressUpdate(stage: "quantize", done: update.done, total: update.total, unit: update.unit))
    }
    if let training { account.vectors = training.vectors }
    return Result(account, last: visitor.last, training: training?.stages ?? [])
  }

  /// The model with the matrices of an account, coded.
  func model(_ account: RateAccount) throws(LMToolError) -> ModelSource {
    var model = source
    let tables = account.tables
    for (name, vector) in account.vectors { model.tensors[name] = vector }
    let slots = tables.sets.map { RateSlots(frequencies: $0) }
    for (name, matrix) in account.matrices {
      let encoded = try RateEncoder.encode(matrix, tables: tables)
      model.tensors[name] = try StoredRateTensor(
        name: name, parameters: encoded.parameters, tables: tables, slots: slots[encoded.parameters.set],
        lanes: HeldBytes(encoded.lanes))
    }
    return model
  }

  // MARK: Levels

  private func makeAccount(bytes: Int, _ parts: [EmbeddingPart]) -> RateAccount {
    let spec = source.spec
    var forecasts: [String: RateForecast] = [:], scales: [String: Double] = [:]
    for linear in spec.layers.enumerated().flatMap({ MatrixGroup.groups(of: $1, layer: $0) }).flatMap(\.linears) {
      let name = linear.weight.name
      forecasts[name] = RateForecast(
        count: linear.outputs * linear.inputs, inputs: linear.inputs, noise: calibration.noise[name] ?? 1)
      scales[name] = (statistics.outputs[name]?.factor ?? 1) / (calibration.sensitivities.matrices[name] ?? 1).squareRoot()
    }
    for part in parts {
      forecasts[part.spec.name] = part.forecast
      scales[part.spec.name] = part.scale
    }
    return RateAccount(bytes: bytes, forecasts: forecasts, scales: scales)
  }

  // MARK: Embedding and head

  /// The embedding, and the head where it is another matrix.
  private func embeddings(trains: Bool) throws(LMToolError) -> [EmbeddingPart] {
    let spec = source.spec
    var frequencies = [Double](repeating: 0, count: spec.vocabularySize)
    for token in calibration.windows.tokens { frequencies[Int(token)] += 1 / Double(calibration.windows.tokens.count) }
    func part(_ tensor: TensorSpec, isHead: Bool, isInput: Bool) throws(LMToolError) -> EmbeddingPart {
      try EmbeddingPart(
        tensor, calibration, frequencies: frequencies, damping: options.damping, isHead: isHead, isInput: isInput, trains: trains)
    }
    if spec.isTied { return [try part(spec.embedding, isHead: true, isInput: true)] }
    return [
      try part(spec.embedding, isHead: false, isInput: true), try part(spec.head.weight, isHead: true, isInput: false),
    ]
  }

  /// Quantizes embedding and head; returns the floats of the embedding.
  private func quantizeEmbedding(_ parts: [EmbeddingPart], _ account: RateAccount) throws(LMToolError) -> [Float] {
    var result = embedding
    for part in parts {
      let name = part.spec.name
      if let work, work.has(name) {
        let (matrix, level) = try work.load(name, shape: part.spec.shape)
        try account.add(name, matrix, level: level)
      } else {
        let level = account.level
        let weights = name == source.spec.embedding.name ? embedding : try LayerMatrices.floats(part.spec, of: source)
        do throws(LMToolError) {
          let matrix = try account.quantizer.quantize(
            weights, rows: part.spec.shape[0], inputs: part.inputs, step: level * part.scale, outputs: part.outputs)
          try account.add(name, matrix, level: level)
          try work?.save(name, matrix, level: level)
        } catch { throw error.at(name) }
      }
      if name == source.spec.embedding.name, let matrix = account.matrices[name] { result = try matrix.dequantized() }
    }
    return result
  }
}

/// Bytes in memory.
struct HeldBytes: ByteSource {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var count: Int { bytes.count }

  func read(_ range: Range<Int>, into output: UnsafeMutableRawBufferPointer) throws(LMToolError) {
    output.copyBytes(from: bytes[range])
  }

  func discard() {}
}
