import Inference
import Kernels
import Models
import Quantization
import Tensors

/// A model in training: its layers both ways, whatever of them is trained.
public final class TrainedModel: @unchecked Sendable {
  /// The architecture.
  public let spec: ModelSpec
  /// Tokens of a text at most.
  public let window: Int
  /// How products are computed.
  public let arithmetic: MatrixProduct.Arithmetic
  private let tensors: [String: TrainedTensor]
  private let layers: [TrainedLayer]
  private let finalNorm: TrainedNorm?
  private let projectIn: TrainedLinear?
  private let projectOut: TrainedLinear?
  let head: TrainedLinear
  private let pool = FloatPool()
  /// Whether layers are computed again on the way back, rather than kept.
  private let recomputes: Bool

  /// What the way back needs.
  struct Record {
    /// The tokens; nil where the pass began further up.
    let tokens: [Int32]?
    /// The first layer of the pass.
    let first: Int
    let context: PassContext
    /// What entered each layer, and what left the last.
    let streams: [Floats]
    let layers: [TrainedLayer.Record?]
    let embedded: Floats?
    let normalized: Floats
  }

  /// Reads a model.
  ///
  /// - Parameters:
  ///   - plan: what of each tensor is trained.
  ///   - window: tokens of a text at most.
  ///   - recomputes: keeps only what enters each layer, and computes it again on the way back.
  /// - Throws: `badInput` when a tensor cannot be read or is not finite (MODEL-5).
  public init(
    _ source: ModelSource, plan: TrainingPlan, window: Int, arithmetic: MatrixProduct.Arithmetic = .f32, recomputes: Bool = false,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    spec = source.spec
    self.window = window
    self.arithmetic = arithmetic
    self.recomputes = recomputes
    var tensors: [String: TrainedTensor] = [:]
    let specs = source.spec.tensors
    for (index, tensor) in specs.enumerated() {
      let values = Floats(try LayerMatrices.floats(tensor, of: source))
      let group = (try source.tensor(tensor) as? any GridTensorReader).flatMap { Self.group(of: $0) }
      tensors[tensor.name] = TrainedTensor(tensor, values, plan.training(of: tensor, values, group: group))
      progress?(ProgressUpdate(stage: "load", done: index + 1, total: specs.count, unit: .tensors))
    }
    self.tensors = tensors
    let find: (TensorSpec) -> TrainedTensor = { spec in
      guard let tensor = tensors[spec.name] else { preconditionFailure("\(spec.name) is not of this model") }
      return tensor
    }
    func linear(_ spec: LinearSpec) -> TrainedLinear {
      TrainedLinear(weight: find(spec.weight), bias: spec.bias.map(find))
    }
    var known: [RotaryTable] = []
    let isLong = source.spec.shortContext.map { window > $0 } ?? false
    let tables = RotaryTable.tables(source.spec, positions: window, isLong: isLong, known: &known)
    layers = zip(source.spec.layers, tables).map { TrainedLayer($0, find, rotary: $1) }
    finalNorm = source.spec.finalNorm.map { TrainedNorm($0, find) }
    projectIn = source.spec.projectIn.map(linear)
    projectOut = source.spec.projectOut.map(linear)
    head = linear(source.spec.head)
  }

  /// Numbers of a row that share a scale, in a matrix of one of our schemes.
  private static func group(of tensor: any GridTensorReader) -> Int? {
    guard GridScheme(name: tensor.storage.description) != nil else { return nil }
    return try? GridLayout(shape: tensor.shape, scheme: tensor.scheme).group
  }

  /// Everything that is trained, in the order of computation.
  public var parameters: [Parameter] { spec.tensors.flatMap { tensors[$0.name]?.parameters ?? [] } }

  /// A tensor of the model.
  public func tensor(_ spec: TensorSpec) -> TrainedTensor? { tensors[spec.name] }

  /// Brings every tensor up to date with what was trained.
  public func refresh() { for tensor in tensors.values { tensor.refresh() } }

  // MARK: Forward

  /// What the head reads, [tokens][width of the head], of texts of `window` tokens each that lie one after the other.
  ///
  /// - Precondition: `tokens` is a multiple of `window`, which is at most that of the model.
  public func forward(_ tokens: [Int32], window: Int) -> Floats { pass(tokens, window: window, isKept: false).normalized }

  /// The same, and what the way back needs.
  func pass(_ tokens: [Int32], window: Int, isKept: Bool = true) -> Record {
    precondition(window <= self.window && tokens.count % window == 0, "texts of the window's size")
    let context = PassContext(tokens: tokens.count, window: window, arithmetic: arithmetic, pool: pool)
    let (embedded, entering) = embed(tokens, context)
    return pass(from: 0, entering, context, tokens: tokens, embedded: embedded, isKept: isKept)
  }

  /// A pass that begins at a layer, with what enters it: [tokens][width].
  func pass(from first: Int, _ entering: Floats, window: Int, isKept: Bool = true) -> Record {
    let context = PassContext(tokens: entering.count / spec.width, window: window, arithmetic: arithmetic, pool: pool)
    return pass(from: first, entering, context, tokens: nil, embedded: nil, isKept: isKept)
  }

  private func pass(
    from first: Int, _ entering: Floats, _ context: PassContext, tokens: [Int32]?, embedded: Floats?, isKept: Bool
  ) -> Record {
    var streams = [entering], records: [TrainedLayer.Record?] = []
    for layer in layers[first...] {
      let (stream, record) = layer.forward(streams[streams.count - 1], context)
      if isKept { streams.append(stream) } else { streams[0] = stream }
      if isKept { records.append(recomputes ? nil : record) }
    }
    let last = streams[streams.count - 1]
    let normalized = finalNorm?.forward(last, context) ?? last
    return Record(
      tokens: tokens, first: first, context: context, streams: streams, layers: records, embedded: embedded,
      normalized: normalized)
  }

  /// What enters the first layer, and before it what `projectIn` reads.
  private func embed(_ tokens: [Int32], _ context: PassContext) -> (embedded: Floats?, stream: Floats) {
    guard let embedding = tensors[spec.embedding.name] else { preconditionFailure("a model has an embedding") }
    let width = embedding.columns, rows = context.pool.take(tokens.count * width)
    context.forEachPiece { piece in
      for token in piece {
        let row = rows.pointer + token * width
        row.update(from: embedding.values.pointer + Int(tokens[token]) * width, count: width)
        if spec.embeddingScale != 1 { scale(row, by: spec.embeddingScale, count: width) }
      }
    }
    let stream = projectIn?.forward(rows, context) ?? rows
    if let positions = spec.positions, let table = tensors[positions.table.name] {
      context.forEachPiece { piece in
        for token in piece {
          let position = token % context.window + positions.offset
          add(stream.pointer + token * spec.width, table.values.pointer + position * spec.width, count: spec.width)
        }
      }
    }
    return (projectIn == nil ? nil : rows, stream)
  }

  /// What enters the first layer, [tokens][width].
  public func embedded(_ tokens: [Int32], window: Int) -> Floats {
    embed(tokens, PassContext(tokens: tokens.count, window: window, arithmetic: arithmetic, pool: pool)).stream
  }

  /// What leaves a layer, given what enters it, [tokens][width].
  public func forward(layer: Int, _ entering: Floats, window: Int) -> Floats {
    let context = PassContext(tokens: entering.count / spec.width, window: window, arithmetic: arithmetic, pool: pool)
    return layers[layer].forward(entering, context).stream
  }

  /// The rows of what the head reads, `normalized`, at some places, through `projectOut`.
  func headInput(_ normalized: Floats, rows: [Int]) -> (gathered: Floats, projected: Floats, context: PassContext) {
    let context = PassContext(tokens: rows.count, window: rows.count, arithmetic: arithmetic, pool: pool)
    let gathered = pool.take(rows.count * spec.width)
    for (index, row) in rows.enumerated() {
      gathered.pointer.advanced(by: index * spec.width).update(
        from: normalized.pointer + row * spec.width, count: spec.width)
    }
    return (gathered, projectOut?.forward(gathered, context) ?? gathered, context)
  }

  // MARK: Backward

  /// Adds to the gradients of all parameters, given that of what the head reads at some places.
  ///
  /// - Returns: the gradient of what entered the pass.
  func backward(
    _ record: Record, rows: [Int], gathered: Floats, gradient: Floats, _ rowContext: PassContext
  ) -> Floats {
    var gradient = gradient
    if let projectOut {
      let dgathered = pool.zeros(gathered.count)
      projectOut.backward(gathered, nil, gradient, to: dgathered, rowContext)
      gradient = dgathered
    }
    let context = record.context
    let dnormalized = pool.zeros(record.normalized.count)
    for (index, row) in rows.enumerated() {
      dnormalized.pointer.advanced(by: row * spec.width).update(from: gradient.pointer + index * spec.width, count: spec.width)
    }
    var dstream = dnormalized
    if let finalNorm {
      dstream = pool.zeros(dnormalized.count)
      finalNorm.backward(record.streams[record.streams.count - 1], dnormalized, to: dstream, context)
    }
    for index in (record.first..<layers.count).reversed() {
      let h = record.streams[index - record.first]
      let kept = record.layers[index - record.first] ?? layers[index].forward(h, context).record
      dstream = layers[index].backward(h, kept, dstream, context)
    }
    if let tokens = record.tokens { addEmbeddingGradient(record, tokens, dstream) }
    return dstream
  }

  /// Token after token, whatever the threads: the same row may come twice.
  private func addEmbeddingGradient(_ record: Record, _ tokens: [Int32], _ dstream: Floats) {
    let context = record.context
    if let positions = spec.positions, let gradient = tensors[positions.table.name]?.gradient {
      for token in 0..<context.tokens {
        let position = token % context.window + positions.offset
        add(gradient + position * spec.width, dstream.pointer + token * spec.width, count: spec.width)
      }
    }
    var drows = dstream
    if let projectIn, let embedded = record.embedded {
      drows = pool.zeros(embedded.count)
      projectIn.backward(embedded, nil, dstream, to: drows, context)
    }
    if spec.embeddingScale != 1 { drows = context.scaled(drows, by: spec.embeddingScale) }
    guard let embedding = tensors[spec.embedding.name] else { return }
    let width = embedding.columns
    switch embedding.training {
    case .frozen, .lowRank: break
    case .dense(let parameter):
      for (index, token) in tokens.enumerated() {
        add(parameter.gradient.pointer + Int(token) * width, drows.pointer + index * width, count: width)
      }
    case .factors(let factors): factors.addRowGradients(tokens, of: embedding, drows)
    case .groups(let groups): groups.addRows(tokens, drows)
    }
  }
}

extension Factors {
  /// Adds to the gradients, given those of single rows that were read.
  func addRowGradients(_ tokens: [Int32], of tensor: TrainedTensor, _ gradients: Floats) {
    let width = tensor.columns
    let product = Floats(count: width), sums = Floats(count: width)
    for (index, token) in tokens.enumerated() {
      let row = Int(token)
      multiply(
        gradients.pointer + index * width, tensor.values.pointer + row * width, count: width, into: product.pointer)
      add(sums.pointer, product.pointer, count: width)
      var total: Float = 0
      for column in 0..<width { total += product.pointer[column] }
      rows.gradient.pointer[row] += total / rows.values.pointer[row]
    }
    guard let columns else { return }
    for column in 0..<width { columns.gradient.pointer[column] += sums.pointer[column] / columns.values.pointer[column] }
  }
}
