import Checkpoints
import OrderedCollections
import Tensors

/// How GGUF files hold the models of a family. What all families have in common follows from `traits`; a family has more where it
/// adds to the configuration or to the metadata.
public protocol GGUFMapping: Sendable {
  /// What llama.cpp takes for granted of the family.
  var traits: GGUFTraits { get }
  /// Adds to a configuration what the family has beyond the common keys.
  ///
  /// - Throws: `badInput` (MODEL-2) naming the key of the file that is missing or asks for what is not supported.
  func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError)
  /// Metadata beyond the common, without the name of the family.
  func metadata(beyondCommon spec: ModelSpec) -> [(String, GGUFValue)]
  /// Why llama.cpp could not run a model, although a file could describe it; nil where it can.
  func objection(to spec: ModelSpec) -> String?
}

extension GGUFMapping {
  /// Nothing.
  public func complete(_ config: inout [String: JSONValue], of model: GGUFModel) throws(LMToolError) {}
  /// None.
  public func metadata(beyondCommon spec: ModelSpec) -> [(String, GGUFValue)] { [] }
  /// None.
  public func objection(to spec: ModelSpec) -> String? { nil }
}

/// What llama.cpp takes for granted of a family, which it calls an architecture. Facts: `src/models` and `conversion` of llama.cpp.
public struct GGUFTraits: Sendable {
  /// How the head's matrix is stored where it is tied to the embedding.
  public enum TiedHead: Sendable {
    /// Not at all; what is there is not tied.
    case absent
    /// Not at all; every model's is.
    case always
    /// Once more, for llama.cpp asks for it.
    case repeated
  }
  /// What becomes of sliding windows.
  public enum Windows: Sendable {
    /// llama.cpp computes them.
    case computed
    /// A key says them, but llama.cpp takes no notice.
    case ignored
    /// There is no key: the context is cut to the window.
    case cut
  }

  /// The value of `general.architecture`.
  public var name: String
  /// The values of `model_type` whose models are written as this; the first is what files are read as.
  public var modelTypes: [String]
  /// The class that configurations name.
  var modelClass: String
  /// Keys of configurations where the family's differ from LLaMA's: "hidden_size" is "n_embd".
  var keys: [String: String] = [:]
  /// Keys that configurations of the family do not have.
  var withoutKeys: Set<String> = []
  /// The activation in the words of `config.json`.
  var activation = "silu"
  /// Whether norms are LayerNorm.
  var isLayerNorm = false
  /// What is added to the weights of norms.
  var normAddend: Float = 0
  /// Whether rows of queries and keys that are rotated together are neighbours.
  var interleavesRotary = false
  /// Whether queries, keys and values are written as one tensor. Either is read.
  public var fusesQueryKeyValue = false
  /// Whether gate and up are one tensor, called `ffn_up`.
  var fusesGateUp = false
  /// Whether norms of queries and keys are matrices, a row for each head.
  var hasHeadNormMatrices = false
  /// Whether heads of any size are read, or only those that share the width.
  var hasFreeHeadSize = false
  /// Whether heads may be rotated in part.
  var rotatesInPart = false
  /// Whether llama.cpp knows layers of different sizes (GGUF-17).
  var hasLayerSizes = false
  /// Whether llama.cpp reads rotary factors from tensors.
  var readsFactors = false
  /// The head's matrix.
  public var tiedHead = TiedHead.absent
  /// What may have a bias.
  var biases: Set<TensorRole> = [.query, .key, .value]
  /// Sliding windows.
  public var windows = Windows.cut

  /// Describes a family.
  init(_ name: String, _ modelTypes: [String], _ modelClass: String) {
    self.name = name
    self.modelTypes = modelTypes
    self.modelClass = modelClass
  }
}

/// What a GGUF file says of its model: metadata, the shapes of tensors, and numbers that belong to the configuration.
public struct GGUFModel: Sendable {
  /// The family.
  let name: String
  private let metadata: [String: GGUFValue]
  /// Shapes of the tensors, outermost first.
  let shapes: [String: [Int]]
  /// Tensors of the rotary embedding, by name.
  let factors: [String: [Float]]
  private let path: String?

  /// Names of the tensors that belong to the configuration.
  static let factorNames = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"]
  /// The most numbers that such a tensor may have.
  private static let mostFactors = 1 << 15

  /// What is to be written.
  public init(
    name: String, metadata: [(String, GGUFValue)], shapes: [String: [Int]], factors: [(name: String, values: [Float])]
  ) {
    self.name = name
    self.metadata = Dictionary(metadata) { $1 }
    self.shapes = shapes
    self.factors = Dictionary(uniqueKeysWithValues: factors.map { ($0.name, $0.values) })
    path = nil
  }

  /// What a file says.
  init(_ file: GGUFFile, name: String) throws(LMToolError) {
    self.name = name
    path = file.file.path
    metadata = Dictionary(uniqueKeysWithValues: file.metadata.map { ($0.key, $0.value) })
    shapes = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.key, $0.value.shape) })
    var factors: [String: [Float]] = [:]
    for name in Self.factorNames {
      guard let tensor = file.tensors[name], tensor.shape.reduce(1, *) <= Self.mostFactors else { continue }
      factors[name] = try tensor.readAll()
    }
    self.factors = factors
  }

  /// The value of a key of the family.
  func value(_ key: String) -> GGUFValue? { metadata[name + "." + key] }
  /// An id of the tokenizer.
  func token(_ key: String) -> Int? { metadata["tokenizer.ggml." + key]?.int }
  /// Whether there is a tensor.
  func has(_ tensor: String) -> Bool { shapes[tensor] != nil }

  /// The shortest decimal that gives the float of a key: 1e-05 rather than 9.99999974e-06.
  func number(_ key: String) -> Double? { value(key)?.float.map(Self.decimal) }

  /// The shortest decimal that gives this float.
  static func decimal(_ value: Float) -> Double { Double(value.description) ?? Double(value) }

  /// An integer within the bounds of dimensions.
  func integer(_ key: String) throws(LMToolError) -> Int { try dimension(value(key)?.int, of: key) }

  private func dimension(_ number: Int?, of key: String) throws(LMToolError) -> Int {
    guard let number, (1...Configuration.maximumDimension).contains(number) else {
      throw refuse(key, "it must be an integer from 1 to \(Configuration.maximumDimension)")
    }
    return number
  }

  /// A size of each of so many layers; a single element where it is one for all (GGUF-16).
  func sizes(_ key: String, layers: Int) throws(LMToolError) -> [Int] {
    guard case .array(let array)? = value(key) else { return [try integer(key)] }
    guard let numbers = array.ints else { throw refuse(key, "it must be an integer, or an array of integers", rule: "GGUF-16") }
    guard numbers.count == layers else {
      throw refuse(key, "it has \(numbers.count) numbers for \(layers) layers", rule: "GGUF-16")
    }
    for number in numbers { _ = try dimension(number, of: key) }
    return Set(numbers).count == 1 ? [numbers[0]] : numbers
  }

  /// An error at a key of the family, or at a tensor.
  func refuse(_ key: String, _ message: String, rule: String = "MODEL-2") -> LMToolError {
    let place = key.hasSuffix(".weight") ? key : name + "." + key
    return LMToolError(.badInput, message, file: path, at: .key(place), rule: rule)
  }
}
