import Kernels
import Models

/// A norm and its weights.
struct NormPass: Sendable {
  private let kind: NormSpec.Kind
  private let epsilon: Float
  private let weight: [Float]
  private let bias: [Float]?

  /// A norm with the weights as checkpoints hold them.
  init(_ spec: NormSpec, weight: [Float], bias: [Float]?) {
    kind = spec.kind
    epsilon = spec.epsilon
    self.weight = spec.weightOffset == 0 ? weight : weight.map { spec.weightOffset + $0 }
    self.bias = bias
  }

  /// Elements that the weight is for.
  var count: Int { weight.count }

  /// The norm of a row x; `output` may be x.
  func apply(_ x: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>) {
    switch kind {
    case .rms: rmsNorm(x, weight: weight, epsilon: epsilon, count: weight.count, tokens: 1, into: output)
    case .layer: layerNorm(x, weight: weight, bias: bias, epsilon: epsilon, count: weight.count, into: output)
    }
  }

  /// The norm of `size` elements x, with the weights from `start` on, in place.
  fileprivate func apply(_ x: UnsafeMutablePointer<Float>, weightsFrom start: Int, size: Int) {
    weight.withUnsafeBufferPointer { weight in
      guard let weight = weight.baseAddress.map({ $0 + start }) else { return }
      switch kind {
      case .rms: rmsNorm(x, weight: weight, epsilon: epsilon, count: size, tokens: 1, into: x)
      case .layer:
        bias.withBase { bias in
          layerNorm(x, weight: weight, bias: bias.map { $0 + start }, epsilon: epsilon, count: size, into: x)
        }
      }
    }
  }
}

extension [Float]? {
  /// Calls `body` with the elements; nil where there is no array.
  fileprivate func withBase(_ body: (UnsafePointer<Float>?) -> Void) {
    guard let self else { return body(nil) }
    self.withUnsafeBufferPointer { body($0.baseAddress) }
  }
}

/// A norm of queries or keys, group by group.
struct HeadNormPass: Sendable {
  private let norm: NormPass
  private let size: Int

  init(_ norm: NormPass, size: Int) {
    self.norm = norm
    self.size = size
  }

  /// Normalises `count` elements, a multiple of the group, in place.
  func apply(_ x: UnsafeMutablePointer<Float>, count: Int) {
    let isShared = norm.count == size
    for start in stride(from: 0, to: count, by: size) {
      norm.apply(x + start, weightsFrom: isShared ? 0 : start, size: size)
    }
  }
}

/// What happens to queries and keys between their projection and attention: norm, rotation, scale.
struct HeadPass {
  private let queries: Int, keys: Int
  private let heads: Int, keyValueHeads: Int, headSize: Int
  private let queryNorm: HeadNormPass?
  private let keyNorm: HeadNormPass?
  private let queryScaling: QueryScaling?
  /// The angles of all positions; nil where nothing is rotated.
  var rotary: RotaryTable?

  init(_ spec: AttentionSpec, queryNorm: HeadNormPass?, keyNorm: HeadNormPass?, rotary: RotaryTable?) {
    heads = spec.heads
    keyValueHeads = spec.keyValueHeads
    headSize = spec.headSize
    queries = heads * headSize
    keys = keyValueHeads * headSize
    self.queryNorm = queryNorm
    self.keyNorm = keyNorm
    queryScaling = spec.queryScaling
    self.rotary = rotary
  }

  /// Changes the queries and keys of the token at `position` in place.
  func apply(queries x: UnsafeMutablePointer<Float>, keys y: UnsafeMutablePointer<Float>, position: Int) {
    if let queryNorm { queryNorm.apply(x, count: queries) }
    if let keyNorm { keyNorm.apply(y, count: keys) }
    if let rotary {
      let (cosines, sines) = rotary.row(position)
      rotate(x, heads: heads, stride: headSize, size: rotary.size, cosines: cosines, sines: sines)
      rotate(y, heads: keyValueHeads, stride: headSize, size: rotary.size, cosines: cosines, sines: sines)
    }
    if let queryScaling { scale(x, by: queryScaling.factor(position), count: queries) }
  }
}

/// How the output y of a branch enters the residual stream h: h += scale · norm(y), and where the norm is that of the sum, h = norm(h).
struct BranchEnd: Sendable {
  private let norm: NormPass?
  private let factor: Float
  private let after: NormPass?

  init(norm: NormPass?, factor: Float, after: NormPass?) {
    self.norm = norm
    self.factor = factor
    self.after = after
  }

  /// Adds y, which is overwritten, to h, both of `width` elements.
  func apply(_ y: UnsafeMutablePointer<Float>, to h: UnsafeMutablePointer<Float>, width: Int) {
    if let norm { norm.apply(y, into: y) }
    if factor != 1 { scale(y, by: factor, count: width) }
    add(h, y, count: width)
    if let after { after.apply(h, into: h) }
  }
}

/// The norms of a layer, where they stand in its arrangement.
struct BranchNorms: Sendable {
  /// Before attention and before the MLP; nil where a branch reads the stream itself.
  let attention: NormPass?, mlp: NormPass?
  /// How the branches end.
  let attentionEnd: BranchEnd, mlpEnd: BranchEnd
  /// Whether the MLP reads the stream as it was before attention.
  let isParallel: Bool

  /// - Parameter make: loads a norm.
  init<Failure: Error>(_ spec: LayerSpec, _ make: (NormSpec) throws(Failure) -> NormPass) throws(Failure) {
    func optional(_ norm: NormSpec?) throws(Failure) -> NormPass? {
      guard let norm else { return nil }
      return try make(norm)
    }
    let first = try optional(spec.attentionNorm), second = try optional(spec.mlpNorm)
    let outputs = (try optional(spec.attentionOutputNorm), try optional(spec.mlpOutputNorm))
    let factor = spec.residualScale
    switch spec.arrangement {
    case .sequential, .parallel: (attention, mlp) = (first, second)
    case .parallelShared: (attention, mlp) = (first, first)
    case .postNorm: (attention, mlp) = (nil, nil)
    }
    let isAfter = spec.arrangement == .postNorm
    attentionEnd = BranchEnd(norm: outputs.0, factor: factor, after: isAfter ? first : nil)
    mlpEnd = BranchEnd(norm: outputs.1, factor: factor, after: isAfter ? second : nil)
    isParallel = spec.arrangement == .parallel || spec.arrangement == .parallelShared
  }
}
