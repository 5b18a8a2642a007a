import Inference
import Kernels
import Models

/// What `bench` found; encodes as the report of `bench --json`.
struct BenchReport {
  let loaded: TimedModel
  /// How keys and values were held.
  let cache: String
  var results: [BenchmarkResult] = []
  var kernelRates: [(threads: Int, rate: KernelRate)] = []
  var ceilings: [MachineCeilings] = []
  var comparisons: [Comparison] = []
  var peakMemory: Int?

  init(_ loaded: TimedModel, cache: String) {
    self.loaded = loaded
    self.cache = cache
  }

  /// Weights of the model, a tied head counted once.
  var parameters: Int { loaded.source.spec.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }

  /// The ceilings with so many threads.
  func ceilings(_ threads: Int) -> MachineCeilings? { ceilings.first { $0.threads == threads } }

  /// What makes a comparison doubtful: files that measured a model of another size. ik_llama.cpp counts a tied head twice.
  var warnings: [String] {
    var known: Set<String> = []
    return comparisons.map(\.bar).compactMap { bar in
      guard let others = bar.parameters, known.insert(bar.file).inserted else { return nil }
      let spec = loaded.source.spec, twice = parameters + (spec.isTied ? spec.vocabularySize * spec.width : 0)
      let isAlike = [parameters, twice].contains { (Double(others) / Double(max(1, $0)) - 1).magnitude < 0.01 }
      return isAlike ? nil : "\(bar.file): it measured a model of \(others) parameters, and this one has \(parameters)"
    }
  }
}

extension BenchReport: Encodable {
  private struct Load: Encodable {
    let threads: Int
    let openSeconds: Double
    let seconds: Double
    let firstTokenSeconds: Double
    let firstTokenPrompt: Int
  }

  struct Machine: Encodable {
    let threads: Int
    let bytesPerSecond: Double
    let operationsPerSecond: [String: Double]
    let instructions: [String: String]
  }

  private struct Test: Encodable {
    let test: String
    let phase: String
    let tokens: Int
    let depth: Int
    let threads: Int
    let tokensPerSecond: Double
    let deviation: Double
    let best: Double
    let samples: [Double]
    let operationsPerToken: Double
    let operationsPerSecond: Double
    let bytesPerToken: Double?
    let bytesPerSecond: Double?
    let ceiling: String
    let fraction: Double?
  }

  private struct Kernel: Encodable {
    let kernel: String
    let format: String
    let shape: [Int]?
    let depth: Int?
    let tokens: Int
    let threads: Int
    let seconds: Double
    let operationsPerSecond: Double
    let bytesPerSecond: Double
    let ceiling: String
    let fraction: Double?
  }

  private struct Against: Encodable {
    let test: String
    let threads: Int
    let theirs: Double
    let ours: Double
    let ratio: Double
    let file: String
    let model: String
  }

  private enum Key: String, CodingKey {
    case model, format, parameters, weightBytes, kvType, load, peakMemoryBytes, machine, tests, kernels, comparison
  }

  func encode(to encoder: any Encoder) throws {
    var members = encoder.container(keyedBy: Key.self)
    try members.encode(loaded.source.path, forKey: .model)
    try members.encode(loaded.source.format, forKey: .format)
    try members.encode(parameters, forKey: .parameters)
    try members.encode(loaded.model.weightBytes, forKey: .weightBytes)
    try members.encode(cache, forKey: .kvType)
    try members.encode(load, forKey: .load)
    try members.encodeIfPresent(peakMemory, forKey: .peakMemoryBytes)
    try members.encode(ceilings.map(Self.machine), forKey: .machine)
    try members.encode(results.map(test), forKey: .tests)
    if !kernelRates.isEmpty { try members.encode(kernelRates.map(kernel), forKey: .kernels) }
    if !comparisons.isEmpty { try members.encode(comparisons.map(Self.against), forKey: .comparison) }
  }

  private var load: Load {
    Load(
      threads: loaded.threads, openSeconds: loaded.openSeconds, seconds: loaded.loadSeconds,
      firstTokenSeconds: loaded.firstTokenSeconds, firstTokenPrompt: loaded.promptTokens)
  }

  static func machine(_ ceilings: MachineCeilings) -> Machine {
    func named<Value>(_ value: (MachineCeilings.Arithmetic) -> Value?) -> [String: Value] {
      let known = MachineCeilings.Arithmetic.allCases.compactMap { kind in value(kind).map { ("\(kind)", $0) } }
      return Dictionary(uniqueKeysWithValues: known)
    }
    return Machine(
      threads: ceilings.threads, bytesPerSecond: ceilings.bandwidth, operationsPerSecond: named { ceilings.peaks[$0] },
      instructions: named { $0.instruction })
  }

  private func test(_ result: BenchmarkResult) -> Test {
    Test(
      test: result.test.name, phase: result.test.phase.rawValue, tokens: result.test.tokens, depth: result.test.depth,
      threads: result.threads, tokensPerSecond: result.rate.mean, deviation: result.rate.deviation, best: result.rate.best,
      samples: result.samples, operationsPerToken: result.operationsPerToken, operationsPerSecond: result.operationsPerSecond,
      bytesPerToken: result.bytesPerToken, bytesPerSecond: result.bytesPerSecond, ceiling: result.ceiling,
      fraction: ceilings(result.threads).flatMap(result.fraction))
  }

  private func kernel(_ threads: Int, _ rate: KernelRate) -> Kernel {
    Kernel(
      kernel: rate.name, format: rate.format, shape: rate.shape, depth: rate.depth, tokens: rate.tokens, threads: threads,
      seconds: rate.seconds, operationsPerSecond: rate.operations / rate.seconds, bytesPerSecond: rate.bytes / rate.seconds,
      ceiling: rate.ceiling, fraction: ceilings(threads).flatMap(rate.fraction))
  }

  private static func against(_ comparison: Comparison) -> Against {
    Against(
      test: comparison.ours.test.name, threads: comparison.ours.threads, theirs: comparison.bar.rate,
      ours: comparison.ours.rate.mean, ratio: comparison.ratio, file: comparison.bar.file, model: comparison.bar.model)
  }
}

extension BenchmarkResult {
  /// What its fraction is a fraction of: "bandwidth", "int8", "f32".
  var ceiling: String { bytesPerToken == nil ? "\(arithmetic)" : "bandwidth" }
}

extension KernelRate {
  /// What its fraction is a fraction of: "bandwidth", "int8", "f32".
  var ceiling: String { tokens == 1 ? "bandwidth" : "\(arithmetic)" }
}
