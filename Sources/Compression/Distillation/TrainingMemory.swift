import Inference
import Models
import Tensors
import Training

/// The memory that a training takes, by what it is for, in bytes. A plan: what is really held stays below it.
public struct TrainingMemory: Codable, Sendable, Equatable {
  /// The teacher's numbers.
  public var teacher = 0
  /// The student's, and what of them must be kept as it was.
  public var student = 0
  /// Gradients, both moments, and the best of what is trained.
  public var optimizer = 0
  /// What the layers keep for the way back, and what that makes.
  public var activations = 0
  /// Logits of a block of tokens.
  public var logits = 0

  /// All of it.
  public var total: Int { teacher + student + optimizer + activations + logits }

  /// The memory of training with texts of `window` tokens.
  public init(student: ModelSource, teacher: ModelSource?, window: Int, _ options: DistillingOptions) {
    let spec = student.spec, tokens = window * min(options.batch, options.together)
    let count = Self.parameters(spec)
    self.teacher = teacher.map { 4 * Self.parameters($0.spec) } ?? 0
    let trained: Int, held: Int
    switch options.plan {
    case .nothing: (trained, held) = (0, count)
    case .everything: (trained, held) = (count, count)
    case .layers:
      trained = spec.tensors.reduce(0) { $0 + ($1.layer == nil ? 0 : $1.shape.reduce(1, *)) }
      held = count
    // A scale has no fewer than 32 numbers; a factor a row or a column.
    case .factors: (trained, held) = (count / 32, 2 * count + count / 32)
    case .lowRank(let rank, _, _):
      trained = spec.tensors.reduce(0) { $0 + ($1.isMatrix && $1.layer != nil ? rank * ($1.shape[0] + $1.shape[1]) : 0) }
      held = 2 * count + trained
    }
    self.student = 4 * held
    optimizer = 4 * 4 * trained + (options.plan == .factors ? 4 * spec.vocabularySize * spec.width : 0)
    let layers = spec.layers.map { Self.floats(of: $0, width: spec.width) }
    let kept = options.recomputes ? spec.width * spec.layers.count + (layers.max() ?? 0) : layers.reduce(0, +)
    let widest = spec.layers.map { 5 * $0.mlp.up.outputs + 3 * $0.attention.output.inputs }.max() ?? 0
    let passing = kept + widest + 8 * spec.width
    activations = 4 * tokens * (passing + (teacher == nil ? 0 : 2 * (teacher?.spec.width ?? 0)))
    logits = 4 * VocabularyLossMemory.floats(spec, tokens: tokens) * (teacher == nil ? 1 : 2)
  }

  private static func parameters(_ spec: ModelSpec) -> Int { spec.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }

  /// What a layer keeps of a token.
  private static func floats(of layer: LayerSpec, width: Int) -> Int {
    let queries = layer.attention.query.outputs, keys = layer.attention.key.outputs, channels = layer.mlp.up.outputs
    return 5 * width + 3 * queries + 3 * keys + (layer.mlp.gate == nil ? 1 : 2) * channels
  }

  /// Refuses a training for which memory does not suffice.
  ///
  /// - Throws: `usage`, with what would make it smaller.
  public func check(available: Int?, _ options: DistillingOptions) throws(LMToolError) {
    guard let available, total > available else { return }
    var ways: [String] = []
    if min(options.batch, options.together) > 1 { ways.append("--together 1") }
    ways.append("a smaller --window")
    if !options.recomputes { ways.append("--recompute") }
    if options.plan == .everything { ways.append("--lora-rank") }
    throw LMToolError(
      .usage,
      "training takes about \(megabytes(total)) of memory, and \(megabytes(available)) are free: \(text); use "
        + ways.joined(separator: ", "))
  }

  /// "teacher 540 MB, student ...".
  public var text: String {
    let parts = [
      ("teacher", teacher), ("student", student), ("gradients and moments", optimizer), ("activations", activations),
      ("logits", logits),
    ]
    return parts.filter { $0.1 > 0 }.map { "\($0.0) \(megabytes($0.1))" }.joined(separator: ", ")
  }

  /// "1234 MB": whole megabytes, rounded up.
  public func megabytes(_ bytes: Int) -> String { "\((bytes + 999_999) / 1_000_000) MB" }
}
