import ArgumentParser
import Artifacts
import Inference
import Kernels
import Models
import Tensors
import Training

/// What `bench --training` found.
struct TrainingBenchReport {
  let source: ModelSource
  let batch: Int
  let window: Int
  var results: [TrainingBenchmark.Result] = []
  var ceilings: [MachineCeilings] = []

  /// Weights of the model, a tied head counted once.
  var parameters: Int { source.spec.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }

  /// The ceilings with so many threads.
  func ceilings(_ threads: Int) -> MachineCeilings? { ceilings.first { $0.threads == threads } }
}

extension TrainingBenchReport: Encodable {
  private struct Test: Encodable {
    let test: String
    let threads: Int
    let tokensPerSecond: Double
    let deviation: Double
    let best: Double
    let samples: [Double]
    let operationsPerToken: Double
    let operationsPerSecond: Double
    let fraction: Double?
    let peakMemoryBytes: Int?
  }

  private enum Key: String, CodingKey {
    case model, format, parameters, batch, window, machine, tests
  }

  func encode(to encoder: any Encoder) throws {
    var members = encoder.container(keyedBy: Key.self)
    try members.encode(source.path, forKey: .model)
    try members.encode(source.format, forKey: .format)
    try members.encode(parameters, forKey: .parameters)
    try members.encode(batch, forKey: .batch)
    try members.encode(window, forKey: .window)
    try members.encode(ceilings.map(BenchReport.machine), forKey: .machine)
    try members.encode(results.map(test), forKey: .tests)
  }

  private func test(_ result: TrainingBenchmark.Result) -> Test {
    Test(
      test: result.test.name, threads: result.threads, tokensPerSecond: result.rate.mean, deviation: result.rate.deviation,
      best: result.rate.best, samples: result.samples, operationsPerToken: result.operationsPerToken,
      operationsPerSecond: result.operationsPerSecond, fraction: ceilings(result.threads).flatMap(result.fraction),
      peakMemoryBytes: result.peakMemory)
  }
}

extension LMTool.Bench {
  /// Measures training, tests that need more memory later: each tells the most that was held until then.
  func measureTraining(_ progress: ProgressConsumer?) throws(LMToolError) -> TrainingBenchReport {
    let source = try ModelSource.open(model)
    guard window <= source.spec.contextLength else {
      throw LMToolError(.usage, "the model has a context of \(source.spec.contextLength) tokens; lower --window", file: model)
    }
    let benchmark = TrainingBenchmark(source, batch: batch, window: window, steps: repetitions)
    var report = TrainingBenchReport(source: source, batch: batch, window: window)
    let counts = threads?.values ?? [ThreadPool.availableCores]
    for count in counts {
      ThreadPool.configure(threads: count)
      for test in TrainingBenchmark.Test.all { report.results.append(try benchmark.run(test, progress: progress)) }
    }
    report.ceilings = ceilings(counts)
    return report
  }

  /// Prints what was found for people.
  static func show(_ report: TrainingBenchReport, on console: Console) {
    var overview = Table(.left(), .left())
    overview.add("file", Table.Cell(report.source.path))
    overview.add("parameters", "\(report.parameters)")
    overview.add("step", "\(report.batch) texts of \(report.window) tokens")
    console.print(overview)
    console.print()
    console.print(machine(report.ceilings))
    console.print()
    var table = Table(
      .left("test"), .right("threads"), .right("tokens/s"), .right("±"), .right("best"), .right("rate"), .left("of the ceiling"),
      .right("memory at most"))
    for result in report.results {
      let ceiling = result.test.arithmetic == .bf16 ? "bf16" : "f32"
      let cells = [
        result.test.name, "\(result.threads)", result.rate.mean.rate, result.rate.deviation.rate, result.rate.best.rate,
        result.operationsPerSecond.quantity("op/s"),
        share(report.ceilings(result.threads).flatMap(result.fraction), of: ceiling),
        result.peakMemory.map { "\(ByteSize($0))" } ?? "",
      ]
      table.add(cells.map { Table.Cell($0) })
    }
    console.print(table)
  }
}
