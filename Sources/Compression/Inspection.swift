import Artifacts
import Models
import OrderedCollections
import Quantization
import Tensors
import Tokenizers

/// What `inspect` shows of a model.
public struct ModelReport: Codable, Sendable {
  /// Parameters and bits of one part of a model, or of one type.
  public struct Part: Codable, Sendable {
    /// "embedding", "attention", "mlp", ...; or "F16", "int4-g32", ...
    public var name: String
    /// Tensors.
    public var tensors = 0
    /// Parameters.
    public var parameters = 0
    /// Bytes in the file.
    public var bytes = 0
    /// Stored bits per weight.
    public var bitsPerWeight: Double { Double(8 * bytes) / Double(max(1, parameters)) }
  }

  /// One tensor.
  public struct Row: Codable, Sendable {
    /// The name.
    public var name: String
    /// Dimensions, outermost first.
    public var shape: [Int]
    /// dtype or scheme.
    public var type: String
    /// Bytes in the file.
    public var bytes: Int
    /// Stored bits per weight.
    public var bitsPerWeight: Double
    /// For quantized tensors, when asked for, bits per weight: the order-0 entropy of the codes, or in rate mode the entropy of the
    /// symbols by class.
    public var entropy: Double?
    /// In rate mode, what is stored above that entropy, in percent of it.
    public var excess: Double?
    /// The fraction of zeros, when asked for.
    public var zeros: Double?
  }

  /// All matrices of rate mode together.
  public struct RateTotal: Codable, Sendable {
    /// Matrices.
    public var tensors = 0
    /// Their weights.
    public var parameters = 0
    /// Bytes that the empirical entropy of the symbols by class amounts to.
    public var entropyBytes = 0.0
    /// Bytes of lanes, codes and tables in the file.
    public var bytes = 0
    /// What is stored above the entropy, in percent of it.
    public var excess: Double { ModelReport.excess(Double(bytes), over: entropyBytes) ?? 0 }
  }

  /// The path.
  public var path: String
  /// The kind of file.
  public var format: String
  /// `model_type` of the configuration.
  public var architecture: String
  /// Layers, width, heads, key-value heads, head size, MLP channels, vocabulary, context.
  public var dimensions: [String: Int]
  /// The sizes of each layer, where layers differ: heads, key-value heads, MLP channels.
  public var layerSizes: [[String: Int]]?
  /// Whether head and embedding are one.
  public var isTied: Bool
  /// Parameters in all.
  public var parameters: Int
  /// Bytes of all files together.
  public var fileBytes: Int
  /// Bits of the file per weight.
  public var bitsPerWeight: Double
  /// By part.
  public var parts: [Part]
  /// By type.
  public var types: [Part]
  /// Tensors of the file that the model does not use.
  public var unused: [String]
  /// What the tokenizer is, or why there is none.
  public var tokenizer: String
  /// What the chat template was recognised as.
  public var chatTemplate: String?
  /// Where an artifact comes from.
  public var provenance: ArtifactManifest.Provenance?
  /// Every tensor, when asked for.
  public var tensors: [Row]?
  /// Matrices of rate mode, when there are any and entropies were asked for.
  public var rate: RateTotal?
}

extension ModelReport {
  /// Describes a model. Only headers are read, unless `withEntropy` asks for the codes of every tensor.
  public init(_ source: ModelSource, withTensors: Bool, withEntropy: Bool) throws(LMToolError) {
    let first = source.spec.layers[0]
    path = source.path
    format = source.format
    architecture = source.config["model_type"]?.string ?? "unknown"
    dimensions = [
      "layers": source.spec.layers.count, "width": source.spec.width, "heads": first.attention.heads,
      "key_value_heads": first.attention.keyValueHeads, "head_size": first.attention.headSize,
      "mlp_channels": first.mlp.up.outputs,
      "vocabulary": source.spec.vocabularySize, "context": source.spec.contextLength,
    ]
    let sizes = source.spec.layers.map { LayerSizes($0) }
    if Set(sizes).count > 1 {
      layerSizes = sizes.map { ["heads": $0.heads, "key_value_heads": $0.keyValueHeads, "mlp_channels": $0.channels] }
    }
    isTied = source.spec.isTied
    parameters = source.parameterCount
    fileBytes = source.files.reduce(0) { $0 + $1.count }
    bitsPerWeight = Double(8 * fileBytes) / Double(max(1, parameters))
    parts = Self.sum(source) { spec, _ in spec.role.part }
    types = Self.sum(source) { _, tensor in tensor.storage.description }
    unused = source.unused
    tokenizer = Self.describeTokenizer(source)
    chatTemplate = Self.describeTemplate(source)
    if source.format.hasPrefix("lmz") { provenance = try Artifact(path: source.path).manifest.provenance }
    guard withTensors || withEntropy else { return }
    tensors = try source.spec.tensors.map { (spec) throws(LMToolError) in
      try Self.row(try source.tensor(spec), withEntropy: withEntropy)
    }
    rate = Self.total(tensors ?? [])
  }

  private static func row(_ tensor: any TensorReader, withEntropy: Bool) throws(LMToolError) -> Row {
    let bits = Double(8 * tensor.storedBytes) / Double(max(1, tensor.count))
    var row = Row(
      name: tensor.name, shape: tensor.shape, type: tensor.storage.description, bytes: tensor.storedBytes, bitsPerWeight: bits)
    guard withEntropy else { return row }
    row.entropy = try entropy(of: tensor)
    row.zeros = Double(try TensorStatistics(tensor).zeros) / Double(max(1, tensor.count))
    if tensor is any EncodedRateTensorReader { row.excess = row.entropy.flatMap { excess(bits, over: $0) } }
    return row
  }

  /// Bits per weight of a quantized tensor; nil for floats.
  static func entropy(of tensor: any TensorReader) throws(LMToolError) -> Double? {
    if let rate = tensor as? any EncodedRateTensorReader {
      return try RateHistogram(try rate.readMatrix()).entropy / Double(max(1, tensor.count))
    }
    return try (tensor as? any GridTensorReader).map { (grid) throws(LMToolError) in
      CodeStatistics(try grid.readGrid()).entropy
    }
  }

  private static func total(_ rows: [Row]) -> RateTotal? {
    var total = RateTotal()
    for row in rows where row.excess != nil {
      let count = row.shape.reduce(1, *)
      total.tensors += 1
      total.parameters += count
      total.entropyBytes += (row.entropy ?? 0) * Double(count) / 8
      total.bytes += row.bytes
    }
    return total.tensors > 0 ? total : nil
  }

  private static func excess(_ stored: Double, over entropy: Double) -> Double? {
    entropy > 0 ? 100 * (stored / entropy - 1) : nil
  }

  private static func sum(_ source: ModelSource, by name: (TensorSpec, any TensorReader) -> String) -> [Part] {
    var parts: [Part] = []
    for spec in source.spec.tensors {
      guard let tensor = source.tensors[spec.name] else { continue }
      let key = name(spec, tensor)
      let index = parts.firstIndex { $0.name == key } ?? parts.count
      if index == parts.count { parts.append(Part(name: key)) }
      parts[index].tensors += 1
      parts[index].parameters += tensor.count
      parts[index].bytes += tensor.storedBytes
    }
    return parts
  }

  private static func describeTokenizer(_ source: ModelSource) -> String {
    if let problem = source.tokenizerProblem { return "not understood: \(problem.description)" }
    guard let tokenizer = source.tokenizer else { return "none" }
    let kind =
      switch tokenizer.model {
      case .byteLevel: "byte-level BPE"
      case .sentencePiece(let rules): rules.isUnigram ? "SentencePiece unigram" : "SentencePiece BPE"
      }
    return "\(kind), \(tokenizer.vocabularySize) tokens, \(tokenizer.merges.count) merges"
  }

  private static func describeTemplate(_ source: ModelSource) -> String? {
    do throws(LMToolError) {
      guard let template = try source.makeChatTemplate() else { return nil }
      return template.name ?? "Jinja, \(template.source.utf8.count) bytes"
    } catch { return "not understood: \(error.description)" }
  }
}

/// The numbers of one tensor: what `inspect --tensor` shows.
public struct TensorReport: Codable, Sendable {
  /// The name.
  public var name: String
  /// Dimensions, outermost first.
  public var shape: [Int]
  /// dtype or scheme.
  public var type: String
  /// Elements.
  public var count: Int
  /// Elements that are zero.
  public var zeros: Int
  /// Elements that are NaN or infinite.
  public var nonfinite: Int
  /// The smallest element.
  public var minimum: Float
  /// The largest element.
  public var maximum: Float
  /// The mean.
  public var mean: Double
  /// The root of the mean square.
  public var rootMeanSquare: Double
  /// Elements in equal steps from minimum to maximum.
  public var histogram: [Int]
  /// For quantized tensors, how often each code occurs, from the lowest.
  public var codes: [Int]?
  /// For quantized tensors, the order-0 entropy of the codes in bits, or in rate mode that of the symbols by class.
  public var entropy: Double?

  /// Reads the tensor called `name`.
  ///
  /// - Throws: `usage` when the model has none of that name.
  public init(_ name: String, of source: ModelSource) throws(LMToolError) {
    guard let tensor = source.tensors[name] else {
      throw LMToolError(.usage, "the model has no tensor \(name.printable); --tensors lists them", file: source.path)
    }
    let statistics = try TensorStatistics(tensor)
    self.name = name
    shape = tensor.shape
    type = tensor.storage.description
    count = statistics.count
    zeros = statistics.zeros
    nonfinite = statistics.nonfinite
    minimum = statistics.minimum
    maximum = statistics.maximum
    mean = statistics.mean
    rootMeanSquare = statistics.rootMeanSquare
    histogram = try statistics.histogram(of: tensor, bins: 24)
    if let grid = tensor as? any GridTensorReader {
      let codes = CodeStatistics(try grid.readGrid())
      self.codes = codes.histogram
      entropy = codes.entropy
    } else {
      entropy = try ModelReport.entropy(of: tensor)
    }
  }
}
