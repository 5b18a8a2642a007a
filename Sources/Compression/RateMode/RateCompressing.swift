import Inference
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors
import Tokenizers

/// Compresses a model in rate mode.
enum RateCompressing {
  static func trial(_ source: ModelSource, windows: TokenWindows, level: Double?, budget: Double?, options: RatePass.Options, log: (String) -> Void) throws(LMToolError) -> ModelSource {
    let spec = source.spec
    let survey = RateSurvey(damping: options.damping)
    let embedding = try LayerMatrices.floats(spec.embedding, of: source)
    var finalMoments: Moments?
    do {
      let sample = windows.sample(24, length: windows.length)
      let pass = LayerwisePass(source, windows: sample, embedding: embedding)
      try pass.run(survey)
      let norm = FinalNorm(spec.finalNorm, weight: try LayerMatrices.floats(spec.finalNorm.weight, of: source))
      let moments = Moments(size: spec.width, hasOriginal: false)
      var x = [Float](repeating: 0, count: sample.tokens.count * spec.width)
      norm.apply(pass.path.residual, tokens: sample.tokens.count, into: &x)
      moments.add(x, count: sample.tokens.count)
      finalMoments = moments
    }
    log("survey")
    let probe = try SensitivityProbe(source, windows: windows.sample(4, length: 128))
    let sensitivities = try probe.measure(variances: survey.variances)
    log("sensitivities \(sensitivities.embedding)")
    for (name, g) in sensitivities.matrices.sorted(by: { $0.key < $1.key }) where name.contains("layers.0.") || name.contains("layers.15.") || name.contains("layers.29.") {
      log("\(name) \(g) usual \(survey.profiles[name]!.usualStep)")
    }
    let factor = try finalMoments!.factor(damping: options.damping)
    let inputs = RateQuantizer.Inputs(factor)
    var frequencies = [Double](repeating: 0, count: spec.vocabularySize)
    for token in windows.tokens { frequencies[Int(token)] += 1 / Double(windows.tokens.count) }
    let factors = EmbeddingSteps.rowFactors(sensitivities, frequencies: frequencies, deviations: inputs.deviations, isHead: true, isInput: true)
    let profile = RateProfile(embedding, rows: spec.vocabularySize, deviations: inputs.deviations)
    func predicted(_ level: Double) -> Double {
      var bits = 0.0
      for (name, profile) in survey.profiles { bits += profile.bits(step: level / sensitivities.matrices[name]!.squareRoot()) }
      var one = profile
      one.count = spec.width
      for factor in factors { bits += one.bits(step: level * factor) }
      return bits / 8
    }
    var chosen = level ?? 1e-4
    if let budget {
      var low = 1e-8, high = 1.0
      for _ in 0..<60 { let middle = (low * high).squareRoot(); if predicted(middle) > budget { low = middle } else { high = middle } }
      chosen = high
    }
    let account = RateAccount(level: chosen)
    log("level \(chosen) predicted \(predicted(chosen))")
    let middle = factors.reduce(0, +) / Double(factors.count)
    let matrix = try account.quantizer.quantize(embedding, rows: spec.vocabularySize, inputs: inputs, step: account.level * middle, rowFactors: factors.map { $0 / middle })
    try account.add(spec.embedding.name, matrix)
    log("embedding \(account.bytes)")
    let quantizedEmbedding = try matrix.dequantized()
    let pass = LayerwisePass(source, windows: windows, embedding: quantizedEmbedding, original: embedding)
    try pass.run(RatePass(options: options, sensitivities: sensitivities, account: account)) { update in  }
    log("total \(account.bytes)")
    for (name, histogram) in account.histograms.sorted(by: { $0.key < $1.key }) where name.contains("layers.0.") || name.contains("layers.15.") || name.contains("layers.29.") {
      log("\(name) bits \(RateTables([histogram]).bits(histogram) / Double(histogram.symbols)) predicted \(survey.profiles[name]!.bits(step: chosen / sensitivities.matrices[name]!.squareRoot())/Double(histogram.symbols)) largest \(histogram.largest)")
    }
    var result = source
    for (name, matrix) in account.matrices { result.tensors[name] = DequantizedTensor(name: name, shape: [matrix.rows, matrix.columns], elements: try matrix.dequantized()) }
    return result
  }
}

/// R&D.
public func rateTrial(_ source: ModelSource, text: [UInt8], test: [UInt8], tokens: Int, level: Double?, budget: Double?, damping: Double, drift: Double, log: (String) -> Void) throws(LMToolError) {
  let tokenizer = try source.makeTokenizer()
  let ids = tokenizer.encode(bytes: text, addSpecial: false)
  let windows = TokenWindows(Array(ids.prefix(tokens)), length: 512)
  let result = try RateCompressing.trial(source, windows: windows, level: level, budget: budget, options: .init(damping: damping, driftCorrection: drift), log: log)
  let model = try Transformer(result, arithmetic: .float)
  let original = try Transformer(source, arithmetic: .float)
  let evaluation = try Evaluation(EvaluationOptions(window: 512, maximumWindows: 8), tokenizer: tokenizer)
  let r = try evaluation.score(model, on: test, against: original)
  log("KL \(r.klMean!) p99 \(r.kl99!) top1 \(r.topAgreement!) ppl \(r.perplexity) / \(r.otherPerplexity!)")
}
