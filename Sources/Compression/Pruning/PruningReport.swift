import Inference
import Models
import Tensors

/// What was pruned of a model, and what it cost.
public struct PruningReport: Codable, Sendable {
  /// A layer of the original.
  public struct Layer: Codable, Sendable {
    /// Its number in the original.
    public var index: Int
    /// Its number in what is left; nil where it went.
    public var newIndex: Int?
    /// 1 - cos between the stream before and after it, where that was measured.
    public var influence: Double?
    /// KL without this layer alone, in nats, where that was measured.
    public var divergence: Double?
    /// KL that its going added, with the layers that went before it gone.
    public var cost: Double?
    /// What each query head adds to the output, in nats, where that was measured.
    public var heads: [Double] = []
    /// Heads of keys and values of the original.
    public var groups: Int
    /// Those of them that went, in the order in which they did.
    public var groupsGone: [Int] = []
    /// What is expected to be lost with each of these, in nats.
    public var groupCosts: [Double] = []
    /// Channels of the MLP before.
    public var channels: Int
    /// Channels that are left.
    public var channelsLeft: Int
    /// What is expected to be lost with the channels that went, in nats.
    public var channelCost = 0.0
    /// What was expected of the channels that could have gone, the first, the next and so on, in nats; at most 64 of them, evenly spread.
    public var channelCosts: [Double] = []
  }

  /// A matrix whose weights changed.
  public struct Tensor: Codable, Sendable {
    /// Its name in the original.
    public var name: String
    /// The fraction of zeros among the weights that are left.
    public var sparsity: Double
    /// E|W x - W' x|² / E|W x|² of the inputs that it had; nil where no inputs were known.
    public var error: Double?
  }

  /// The model, by the path that was opened.
  public var model: String
  /// Parameters before.
  public var parametersBefore: Int
  /// Parameters that are left.
  public var parametersAfter: Int
  /// Weights other than zero that are left, where some were made zero.
  public var nonzero: Int?
  /// Tokens of the vocabulary before.
  public var vocabularyBefore: Int
  /// Tokens that are left.
  public var vocabularyAfter: Int
  /// What giving tokens up is expected to cost, in nats.
  public var vocabularyCost: Double?
  /// Channels of the residual stream before.
  public var widthBefore: Int
  /// Channels that are left.
  public var widthAfter: Int
  /// The layers of the original.
  public var layers: [Layer]
  /// Matrices whose weights changed.
  public var tensors: [Tensor]
  /// The pattern and the method of zeros: "0.5 sparsegpt".
  public var sparsity: String?
  /// Whether `transformers` opens what was written.
  public var opensInTransformers: Bool
  /// Quality on windows of the text that were kept aside; nil where nothing was run.
  public var quality: RateReport.Quality?
  /// Seconds of each stage.
  public var seconds: [String: Double] = [:]
}

extension PruningReport.Tensor {
  /// What became of a matrix, of whose inputs `kept` are left.
  init(_ spec: TensorSpec, before: [Float], after: [Float], moment: [Float]?, kept: [Int]?) {
    let inputs = spec.shape[1]
    let zeros = after.count { $0 == 0 }, gone = kept.map { (inputs - $0.count) * spec.shape[0] } ?? 0
    name = spec.name
    sparsity = Double(zeros - gone) / Double(max(1, after.count - gone))
    error = moment.map { moment in
      let lost = Self.energy(zip(before, after).map { $0 - $1 }, moment, inputs)
      return lost / max(Self.energy(before, moment, inputs), 1e-300)
    }
  }

  /// tr(W S Wᵀ).
  private static func energy(_ matrix: [Float], _ moment: [Float], _ inputs: Int) -> Double {
    var product = [Float](repeating: 0, count: matrix.count)
    // The moment is symmetric: rows of W S are S times rows of W.
    product.withUnsafeMutableBufferPointer {
      Inference.product(
        moment, outputs: inputs, inputs: inputs, matrix, tokens: matrix.count / max(1, inputs), into: $0.baseAddress!)
    }
    return zip(matrix, product).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
  }
}
