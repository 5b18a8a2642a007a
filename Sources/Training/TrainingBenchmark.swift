import Inference
import Kernels
import Models
import Tensors

/// Measures steps of training: random texts, one step that does not count, then those that do.
public struct TrainingBenchmark {
  /// What a step does.
  public struct Test: Sendable, Equatable {
    /// How products are computed.
    public var arithmetic: MatrixProduct.Arithmetic
    /// Whether a teacher of the same shape reads the texts too: half divergence at a temperature of 2, half cross-entropy.
    public var hasTeacher: Bool

    /// "train f32", "distill bf16".
    public var name: String { "\(hasTeacher ? "distill" : "train") \(arithmetic)" }

    /// Every test, those that need least memory first.
    public static let all = [false, true].flatMap { teacher in
      [MatrixProduct.Arithmetic.f32, .bf16].map { Test(arithmetic: $0, hasTeacher: teacher) }
    }
  }

  /// How a test went.
  public struct Result: Sendable {
    /// What was measured.
    public let test: Test
    /// Threads in use.
    public let threads: Int
    /// Tokens per second of every step, in order.
    public let samples: [Double]
    /// The samples in short.
    public let rate: RateStatistics
    /// Operations of a token: what its products take forward, twice that on the way back, and once more for a teacher.
    public let operationsPerToken: Double
    /// The most memory that the process had held when the test was over, in bytes; nil when the system does not say.
    public let peakMemory: Int?

    /// Operations per second, on average.
    public var operationsPerSecond: Double { rate.mean * operationsPerToken }

    /// How much of the machine's peak that is; nil when it has no instruction for the arithmetic.
    public func fraction(of ceilings: MachineCeilings) -> Double? {
      ceilings.peaks[test.arithmetic == .bf16 ? .bf16 : .f32].map { operationsPerSecond / $0 }
    }
  }

  private let source: ModelSource
  private let batch: Int
  private let window: Int
  private let steps: Int

  /// A benchmark of `steps` steps of `batch` texts of `window` tokens, each at least 1.
  public init(_ source: ModelSource, batch: Int, window: Int, steps: Int) {
    self.source = source
    self.batch = max(1, batch)
    self.window = max(2, window)
    self.steps = max(1, steps)
  }

  /// Runs a test with the threads of the shared pool.
  ///
  /// - Throws: `badInput` when a tensor cannot be read.
  public func run(_ test: Test, progress: ProgressConsumer? = nil) throws(LMToolError) -> Result {
    let student = try TrainedModel(source, plan: .everything, window: window, arithmetic: test.arithmetic)
    var teacher: TrainedModel?
    if test.hasTeacher { teacher = try TrainedModel(source, plan: .nothing, window: window, arithmetic: test.arithmetic) }
    var options = LossOptions()
    options.divergence = test.hasTeacher ? 0.5 : 0
    options.temperature = 2
    let step = TrainingStep(student, teacher: teacher, options: options)
    let optimizer = AdamW(student.parameters, AdamWOptions()), clock = ContinuousClock()
    let tokens = tokens(), targets = LossTargets(predicting: tokens, window: window)
    var samples: [Double] = []
    for number in 0...steps {
      let start = clock.now
      _ = step.addGradients(tokens, window: window, targets, total: Double(targets.rows.count))
      optimizer.step(rate: 1e-4)
      student.refresh()
      if number > 0 { samples.append(Double(tokens.count) / max(1e-9, (clock.now - start) / .seconds(1))) }
      progress?(ProgressUpdate(stage: test.name, done: number + 1, total: steps + 1, unit: .passes))
    }
    return Result(
      test: test, threads: ThreadPool.shared.threads, samples: samples, rate: RateStatistics(samples),
      operationsPerToken: operations(hasTeacher: test.hasTeacher), peakMemory: peakMemory())
  }

  private func tokens() -> [Int32] {
    var random = Random(seed: 1)
    return (0..<batch * window).map { _ in Int32.random(in: 0..<Int32(source.spec.vocabularySize), using: &random) }
  }

  private func operations(hasTeacher: Bool) -> Double {
    let spec = source.spec
    let linears =
      spec.layers.flatMap { [$0.attention.query, $0.attention.key, $0.attention.value, $0.attention.output] }
      + spec.layers.flatMap { $0.mlp.inputs + [$0.mlp.down] } + [spec.projectIn, spec.projectOut, spec.head].compactMap { $0 }
    let products = linears.reduce(0) { $0 + 2 * Double($1.outputs * $1.inputs) }
    let attention = spec.layers.reduce(0.0) { sum, layer in
      let most = Double(min(window, layer.attention.window ?? window)), length = Double(window)
      let seen = (most * (most + 1) / 2 + (length - most) * most) / length
      return sum + 4 * Double(layer.attention.heads * layer.attention.headSize) * seen
    }
    return (products + attention) * (hasTeacher ? 4 : 3)
  }
}
