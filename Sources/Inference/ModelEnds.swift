import Kernels
import Models
import Tensors

/// From tokens to the residual stream, in floats: what calibration and training begin with.
public struct EmbeddingRunner: Sendable {
  private let spec: ModelSpec
  private let projection: [Float]?
  private let positions: [Float]?

  /// Reads what a model has besides the embedding.
  ///
  /// - Throws: `badInput` when a tensor cannot be read or is not finite (MODEL-5).
  public init(_ source: ModelSource) throws(LMToolError) {
    spec = source.spec
    projection = try LayerMatrices.floatsIfPresent(spec.projectIn?.weight, of: source)
    positions = try LayerMatrices.floatsIfPresent(spec.positions?.table, of: source)
  }

  /// The stream of texts that each begin at a multiple of `window`.
  ///
  /// - Parameters:
  ///   - table: the embedding, row after row.
  ///   - residual: [tokens, width].
  public func run(_ ids: [Int32], table: [Float], window: Int, into residual: UnsafeMutablePointer<Float>) {
    let width = spec.width, columns = spec.embedding.shape[1], factor = spec.embeddingScale
    nonisolated(unsafe) let residual = residual
    if let projection {
      var rows = ids.flatMap { table[Int($0) * columns..<(Int($0) + 1) * columns] }
      rows.withUnsafeMutableBufferPointer { if factor != 1 { scale($0.baseAddress!, by: factor, count: $0.count) } }
      product(projection, outputs: width, inputs: columns, rows, tokens: ids.count, into: residual)
    }
    let offset = spec.positions?.offset ?? 0
    table.withUnsafeBufferPointer { table in
      ThreadPool.shared.forEach(ids.count) { index in
        let row = residual + index * width
        if projection == nil {
          row.update(from: table.baseAddress! + Int(ids[index]) * width, count: width)
          if factor != 1 { scale(row, by: factor, count: width) }
        }
        positions?.withUnsafeBufferPointer { add(row, $0.baseAddress! + (index % window + offset) * width, count: width) }
      }
    }
  }
}

/// From the residual stream to what the head reads, in floats: final norm, projection.
public struct HeadInput: Sendable {
  /// Elements of what the head reads.
  public let size: Int
  private let width: Int
  private let norm: NormPass?
  private let projection: [Float]?

  /// Reads what stands between the last layer and the head.
  ///
  /// - Throws: `badInput` when a tensor cannot be read or is not finite (MODEL-5).
  public init(_ source: ModelSource) throws(LMToolError) {
    let spec = source.spec
    size = spec.head.inputs
    width = spec.width
    norm = try spec.finalNorm.map { (norm) throws(LMToolError) in
      NormPass(
        norm, weight: try LayerMatrices.floats(norm.weight, of: source),
        bias: try LayerMatrices.floatsIfPresent(norm.bias, of: source))
    }
    projection = try LayerMatrices.floatsIfPresent(spec.projectOut?.weight, of: source)
  }

  /// What the head reads, [tokens, size], for `tokens` rows of the stream.
  public func run(_ residual: UnsafePointer<Float>, tokens: Int, into x: UnsafeMutablePointer<Float>) {
    guard let projection else { return normalize(residual, tokens, into: x) }
    var rows = [Float](repeating: 0, count: tokens * width)
    rows.withUnsafeMutableBufferPointer { normalize(residual, tokens, into: $0.baseAddress!) }
    product(projection, outputs: size, inputs: width, rows, tokens: tokens, into: x)
  }

  private func normalize(_ residual: UnsafePointer<Float>, _ tokens: Int, into x: UnsafeMutablePointer<Float>) {
    guard let norm else { return x.update(from: residual, count: tokens * width) }
    for token in 0..<tokens { norm.apply(residual + token * width, into: x + token * width) }
  }
}

/// From the residual stream to logits, in floats.
public struct HeadRunner: Sendable {
  private let input: HeadInput
  private let vocabulary: Int
  private let matrix: [Float]
  private let output: OutputPass

  /// Reads what stands between the last layer and the logits.
  ///
  /// - Parameter embedding: the embedding, which the head may be tied to.
  /// - Throws: `badInput` when a tensor cannot be read or is not finite (MODEL-5).
  public init(_ source: ModelSource, embedding: [Float]) throws(LMToolError) {
    let spec = source.spec
    input = try HeadInput(source)
    vocabulary = spec.vocabularySize
    matrix = spec.isTied ? embedding : try LayerMatrices.floats(spec.head.weight, of: source)
    output = OutputPass(
      norm: nil, projection: nil, bias: try LayerMatrices.floatsIfPresent(spec.head.bias, of: source), factor: spec.logitScale,
      cap: spec.logitSoftcap)
  }

  /// The logits [tokens, vocabulary] of `tokens` rows of the stream.
  public func logits(_ residual: UnsafePointer<Float>, tokens: Int, into logits: UnsafeMutablePointer<Float>) {
    var x = [Float](repeating: 0, count: tokens * input.size)
    input.run(residual, tokens: tokens, into: &x)
    product(matrix, outputs: vocabulary, inputs: input.size, x, tokens: tokens, into: logits)
    guard !output.isPlain else { return }
    for token in 0..<tokens { output.finish(logits + token * vocabulary, count: vocabulary) }
  }
}

extension LayerMatrices {
  /// The elements of a tensor that some models do not have.
  static func floatsIfPresent(_ spec: TensorSpec?, of source: ModelSource) throws(LMToolError) -> [Float]? {
    guard let spec else { return nil }
    return try floats(spec, of: source)
  }
}
