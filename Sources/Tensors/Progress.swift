/// How far a long piece of work has come; rooms report it, the command line draws it.
public struct ProgressUpdate: Sendable, Equatable {
  /// What is being done, in a word or two: "quantize".
  public var stage: String
  /// Units done so far.
  public var done: Int
  /// Units in all.
  public var total: Int
  /// What a unit is.
  public var unit: Unit

  /// The units that work is counted in; thousandths of the whole where its pieces differ too much for a rate to say anything.
  public enum Unit: String, Sendable { case bytes, tokens, tensors, passes, thousandths }

  /// Makes an update.
  public init(stage: String, done: Int, total: Int, unit: Unit) {
    self.stage = stage
    self.done = done
    self.total = total
    self.unit = unit
  }
}

/// Receives progress; called from the thread that does the work, at most a few thousand times in all.
public typealias ProgressConsumer = @Sendable (ProgressUpdate) -> Void
