import Artifacts
import Kernels
import Models
import Tensors

/// A model that was loaded under the clock.
public struct TimedModel: Sendable {
  /// The file.
  public let source: ModelSource
  /// The weights.
  public let model: Transformer
  /// Threads that loaded it.
  public let threads: Int
  /// Seconds for opening the file: headers, configuration, tokenizer.
  public let openSeconds: Double
  /// Seconds for everything: opening, unpacking, and bringing the weights into compute layout.
  public let loadSeconds: Double
  /// Tokens of the first prompt.
  public let promptTokens: Int
  /// Seconds from before opening to the logits behind the first prompt, from which the first token is chosen.
  public let firstTokenSeconds: Double

  /// Opens and loads the model, and runs a first prompt of `promptTokens` random tokens, at least one and no more than it has positions for.
  ///
  /// - Throws: `badInput`, `missingInput` when the model cannot be read.
  public init(
    path: String, promptTokens: Int, cache: CacheFormat, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    let clock = ContinuousClock(), start = clock.now
    source = try ModelSource.open(path)
    let count = max(1, min(promptTokens, source.spec.positionLimit ?? promptTokens))
    openSeconds = (clock.now - start).seconds
    model = try Transformer(source, progress: progress)
    loadSeconds = (clock.now - start).seconds
    try Session(model, capacity: count, cache: cache).forward(model.randomTokens(count))
    firstTokenSeconds = (clock.now - start).seconds
    threads = ThreadPool.shared.threads
    self.promptTokens = count
  }
}
