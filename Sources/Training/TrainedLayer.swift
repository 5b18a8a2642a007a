import Inference
import Kernels
import Models

/// One layer, both ways.
struct TrainedLayer: Sendable {
  private let arrangement: LayerSpec.Arrangement
  private let residualScale: Float
  private let attentionNorm: TrainedNorm?
  private let attention: TrainedAttention
  private let attentionOutputNorm: TrainedNorm?
  private let mlpNorm: TrainedNorm?
  private let mlp: TrainedMLP
  private let mlpOutputNorm: TrainedNorm?

  /// What the way back needs, besides what entered the layer.
  struct Record {
    let attention: TrainedAttention.Record
    let attentionOutput: Floats
    let mlp: TrainedMLP.Record
    let mlpOutput: Floats?
    /// The stream between the branches.
    let middle: Floats?
  }

  init(_ spec: LayerSpec, _ tensors: (TensorSpec) -> TrainedTensor, rotary: RotaryTable?) {
    func linear(_ spec: LinearSpec) -> TrainedLinear {
      TrainedLinear(weight: tensors(spec.weight), bias: spec.bias.map(tensors))
    }
    arrangement = spec.arrangement
    residualScale = spec.residualScale
    attentionNorm = spec.attentionNorm.map { TrainedNorm($0, tensors) }
    attention = TrainedAttention(spec.attention, linear, tensors, rotary: rotary)
    attentionOutputNorm = spec.attentionOutputNorm.map { TrainedNorm($0, tensors) }
    mlpNorm = spec.mlpNorm.map { TrainedNorm($0, tensors) }
    mlp = TrainedMLP(spec.mlp, linear, spec.mlp.activation.kernel)
    mlpOutputNorm = spec.mlpOutputNorm.map { TrainedNorm($0, tensors) }
  }

  // MARK: Forward

  /// The stream after the layer, and what the way back needs.
  func forward(_ h: Floats, _ context: PassContext) -> (stream: Floats, record: Record) {
    let isPost = arrangement == .postNorm
    let x = isPost ? h : normalized(h, attentionNorm, context)
    let (attended, attentionRecord) = attention.forward(x, context)
    var middle = sum(h, attended, attentionOutputNorm, context)
    if isPost, let attentionNorm { middle = attentionNorm.forward(middle, context) }
    let input: Floats
    switch arrangement {
    case .sequential: input = normalized(middle, mlpNorm, context)
    case .parallel: input = normalized(h, mlpNorm, context)
    case .parallelShared: input = x
    case .postNorm: input = middle
    }
    let (channels, mlpRecord) = mlp.forward(input, context)
    var stream = sum(middle, channels, mlpOutputNorm, context)
    if isPost, let mlpNorm { stream = mlpNorm.forward(stream, context) }
    let needsOutput = mlpOutputNorm != nil || isPost
    let record = Record(
      attention: attentionRecord, attentionOutput: attended, mlp: mlpRecord, mlpOutput: needsOutput ? channels : nil,
      middle: arrangement == .sequential || isPost ? middle : nil)
    return (stream, record)
  }

  private func normalized(_ h: Floats, _ norm: TrainedNorm?, _ context: PassContext) -> Floats { norm?.forward(h, context) ?? h }

  /// h + residualScale · norm(y).
  private func sum(_ h: Floats, _ y: Floats, _ norm: TrainedNorm?, _ context: PassContext) -> Floats {
    let result = context.scaled(norm?.forward(y, context) ?? y, by: residualScale)
    context.add(result, h)
    return result
  }

  // MARK: Backward

  /// The gradient of what entered, given that of the stream after the layer, which is changed.
  func backward(_ h: Floats, _ record: Record, _ dstream: Floats, _ context: PassContext) -> Floats {
    switch arrangement {
    case .sequential: sequential(h, record, dstream, context)
    case .parallel, .parallelShared: parallel(h, record, dstream, context)
    case .postNorm: postNorm(h, record, dstream, context)
    }
  }

  private func sequential(_ h: Floats, _ record: Record, _ dh: Floats, _ context: PassContext) -> Floats {
    guard let middle = record.middle else { preconditionFailure("the stream between the branches is kept") }
    through(mlpNorm, middle, context, to: dh) { x, dx in
      mlp.backward(
        x, record.mlp, ofBranch(mlpOutputNorm, record.mlpOutput, dh, context), to: dx, accumulate: false, context)
    }
    through(attentionNorm, h, context, to: dh) { x, dx in
      attention.backward(
        x, record.attention, ofBranch(attentionOutputNorm, record.attentionOutput, dh, context), to: dx, accumulate: false,
        context)
    }
    return dh
  }

  private func parallel(_ h: Floats, _ record: Record, _ dh: Floats, _ context: PassContext) -> Floats {
    let dmlp = ofBranch(mlpOutputNorm, record.mlpOutput, dh, context)
    let dattention = ofBranch(attentionOutputNorm, record.attentionOutput, dh, context)
    through(attentionNorm, h, context, to: dh) { x, dx in
      attention.backward(x, record.attention, dattention, to: dx, accumulate: false, context)
      if arrangement == .parallelShared { mlp.backward(x, record.mlp, dmlp, to: dx, context) }
    }
    guard arrangement == .parallel else { return dh }
    through(mlpNorm, h, context, to: dh) { x, dx in
      mlp.backward(x, record.mlp, dmlp, to: dx, accumulate: false, context)
    }
    return dh
  }

  private func postNorm(_ h: Floats, _ record: Record, _ dstream: Floats, _ context: PassContext) -> Floats {
    guard let middle = record.middle, let channels = record.mlpOutput else { preconditionFailure("both are kept") }
    let dmiddle = ofSum(mlpNorm, sum(middle, channels, mlpOutputNorm, context), dstream, context)
    mlp.backward(middle, record.mlp, ofBranch(mlpOutputNorm, channels, dmiddle, context), to: dmiddle, context)
    let dh = ofSum(attentionNorm, sum(h, record.attentionOutput, attentionOutputNorm, context), dmiddle, context)
    attention.backward(
      h, record.attention, ofBranch(attentionOutputNorm, record.attentionOutput, dh, context), to: dh, context)
    return dh
  }

  /// The gradient of a sum whose norm the stream is.
  private func ofSum(_ norm: TrainedNorm?, _ sum: Floats, _ gradient: Floats, _ context: PassContext) -> Floats {
    guard let norm else { return gradient }
    let result = context.pool.zeros(sum.count)
    norm.backward(sum, gradient, to: result, context)
    return result
  }

  /// The gradient of what a branch gave, given that of the stream it was added to.
  private func ofBranch(_ norm: TrainedNorm?, _ output: Floats?, _ dh: Floats, _ context: PassContext) -> Floats {
    let scaled = context.scaled(dh, by: residualScale)
    guard let norm, let output else { return scaled }
    let result = context.pool.zeros(scaled.count)
    norm.backward(output, scaled, to: result, context)
    return result
  }

  /// Calls `body` with the norm of h and with where it writes the gradient of that, and brings it through the norm to that of h.
  private func through(
    _ norm: TrainedNorm?, _ h: Floats, _ context: PassContext, to dh: Floats, _ body: (_ x: Floats, _ dx: Floats) -> Void
  ) {
    guard let norm else {
      let dx = context.pool.take(h.count)
      body(h, dx)
      return context.add(dh, dx)
    }
    let dx = context.pool.take(h.count)
    body(norm.forward(h, context), dx)
    norm.backward(h, dx, to: dh, context)
  }
}
