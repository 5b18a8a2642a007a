import Models
import OrderedCollections
import Tensors

/// Compares two models of any formats: their tensors, configurations, tokenizers and chat templates.
public enum Comparing {
  /// Reads both models once, tensor by tensor: memory does not grow with them.
  ///
  /// - Parameters:
  ///   - tolerance: tensors are equal if their largest difference is at most so much of the first one's largest magnitude.
  ///   - keepsAll: whether the report has tensors that are equal too.
  public static func run(
    _ first: ModelSource, _ second: ModelSource, tolerance: Double = 0, keepsAll: Bool = false,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> ComparisonReport {
    var report = ComparisonReport(first: first.path, second: second.path, tolerance: tolerance)
    let names = OrderedSet(first.tensors.keys).union(second.tensors.keys)
    let total = first.parameterCount
    var done = 0
    for name in names {
      let one = first.tensors[name], other = second.tensors[name]
      var tensor = TensorComparison(name, one, other)
      if let one, let other, one.shape == other.shape {
        let difference = try TensorDifference.measure(one, other) { count in
          done += count
          progress?(ProgressUpdate(stage: "compare", done: 4 * done, total: 4 * total, unit: .bytes))
        }
        tensor.take(difference, tolerance: tolerance)
      }
      report.add(tensor, isKept: keepsAll || !tensor.isEqual)
    }
    report.configuration = ConfigurationDifference.find(first, second)
    report.tokenizer = TokenizerDifference.find(first, second)
    report.chatTemplate = TokenizerDifference.templates(first.chatTemplate, second.chatTemplate)
    report.isEqual =
      report.differing == 0 && report.configuration.isEmpty && report.tokenizer.isEmpty && report.chatTemplate == nil
    return report
  }
}

/// A tensor of two models.
public struct TensorComparison: Sendable, Encodable {
  /// The name, the same for all formats and families.
  public let name: String
  /// The shape in the first model; nil where it does not have the tensor.
  public let shape: [Int]?
  /// The shape in the second.
  public let otherShape: [Int]?
  /// How the first model's file stores it: "F16".
  public let type: String?
  /// How the second's does.
  public let otherType: String?
  /// Whether the elements are equal, within the tolerance; types do not count.
  public private(set) var isEqual = false
  /// The largest |a - b|; nil, like the others, where the shapes differ.
  public private(set) var largest: Double?
  /// The mean |a - b|.
  public private(set) var mean: Double?
  /// The largest |a - b| against the largest |a|.
  public private(set) var relative: Double?
  /// The cosine of the angle between the two.
  public private(set) var cosine: Double?

  init(_ name: String, _ first: (any TensorReader)?, _ second: (any TensorReader)?) {
    self.name = name
    shape = first?.shape
    otherShape = second?.shape
    type = first?.storage.description
    otherType = second?.storage.description
  }

  mutating func take(_ difference: TensorDifference, tolerance: Double) {
    largest = difference.largest
    mean = difference.mean
    relative = difference.relative
    cosine = difference.cosine
    isEqual = difference.unequal == 0 || difference.relative <= tolerance
  }
}

/// How two models differ.
public struct ComparisonReport: Sendable, Encodable {
  /// The path of the first model.
  public let first: String
  /// The path of the second.
  public let second: String
  /// The largest relative difference of tensors that count as equal.
  public let tolerance: Double
  /// Tensors that either model has.
  public private(set) var compared = 0
  /// How many of them differ.
  public private(set) var differing = 0
  /// The largest relative difference of any tensor that both have.
  public private(set) var relative = 0.0
  /// The tensors that differ, or all.
  public private(set) var tensors: [TensorComparison] = []
  /// What differs in the configurations.
  public internal(set) var configuration: [Difference] = []
  /// What differs in the tokenizers.
  public internal(set) var tokenizer: [Difference] = []
  /// How the chat templates differ; nil when they do not.
  public internal(set) var chatTemplate: String?

  /// One thing that differs, and what the two models have there.
  public struct Difference: Sendable, Encodable, Equatable {
    /// A key, or what it is about.
    public let name: String
    /// What the first model has.
    public let first: String
    /// What the second has.
    public let second: String
  }

  init(first: String, second: String, tolerance: Double) {
    self.first = first
    self.second = second
    self.tolerance = tolerance
  }

  /// Whether nothing differs.
  public internal(set) var isEqual = false

  mutating func add(_ tensor: TensorComparison, isKept: Bool) {
    compared += 1
    if !tensor.isEqual { differing += 1 }
    relative = max(relative, tensor.relative ?? 0)
    if isKept { tensors.append(tensor) }
  }
}
