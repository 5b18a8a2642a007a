import Tensors

extension SpecPlan {
  /// The description of the model.
  func spec() -> ModelSpec {
    let columns = embeddingWidth ?? width
    let embedding = tensor(.embedding, [vocabulary, columns])
    let head = isTied ? embedding : tensor(.head, [vocabulary, columns])
    let isProjected = embeddingWidth != nil
    return ModelSpec(
      vocabularySize: vocabulary, width: width, contextLength: context, embedding: embedding, embeddingScale: embeddingScale,
      positions: positions.map { PositionSpec(table: tensor(.positions, [$0.rows, width]), offset: $0.offset) },
      projectIn: isProjected ? LinearSpec(weight: tensor(.projectIn, [width, columns])) : nil,
      layers: (0..<layers).map(layer), finalNorm: hasFinalNorm ? norm(.finalNorm) : nil,
      projectOut: isProjected ? LinearSpec(weight: tensor(.projectOut, [columns, width])) : nil,
      head: LinearSpec(weight: head, bias: hasHeadBias ? tensor(.head, [vocabulary], isBias: true) : nil),
      logitScale: logitScale, logitSoftcap: logitSoftcap)
  }

  private func layer(_ index: Int) -> LayerSpec {
    LayerSpec(
      arrangement: arrangement, attentionNorm: hasInputNorms ? norm(.attentionNorm, index) : nil, attention: attention(index),
      attentionOutputNorm: hasOutputNorms ? norm(.attentionOutputNorm, index) : nil,
      mlpNorm: hasInputNorms && arrangement != .parallelShared ? norm(.mlpNorm, index) : nil, mlp: mlp(index),
      mlpOutputNorm: hasOutputNorms ? norm(.mlpOutputNorm, index) : nil, residualScale: residualScale)
  }

  private func attention(_ index: Int) -> AttentionSpec {
    let size = sizes[index], bias = hasQueryKeyValueBias
    let queries = size.heads * headSize, keys = size.keyValueHeads * headSize
    return AttentionSpec(
      heads: size.heads, keyValueHeads: size.keyValueHeads, headSize: headSize, scale: scales[index], softcap: softcap,
      rotary: rotary[index], queryScaling: queryScaling, window: windows[index],
      query: linear(.query, index, queries, width, hasBias: bias), key: linear(.key, index, keys, width, hasBias: bias),
      value: linear(.value, index, keys, width, hasBias: bias), queryNorm: headNorm(.queryNorm, index, size.heads),
      keyNorm: headNorm(.keyNorm, index, size.keyValueHeads),
      output: linear(.attentionOutput, index, width, queries, hasBias: hasOutputBias))
  }

  private func mlp(_ index: Int) -> MLPSpec {
    let channels = sizes[index].channels
    return MLPSpec(
      activation: activation, gate: isGated ? linear(.gate, index, channels, width, hasBias: hasMLPBias) : nil,
      up: linear(.up, index, channels, width, hasBias: hasMLPBias),
      down: linear(.down, index, width, channels, hasBias: hasMLPBias))
  }

  // MARK: Parts

  private func linear(_ role: TensorRole, _ layer: Int, _ outputs: Int, _ inputs: Int, hasBias: Bool) -> LinearSpec {
    LinearSpec(
      weight: tensor(role, [outputs, inputs], layer), bias: hasBias ? tensor(role, [outputs], layer, isBias: true) : nil)
  }

  private func norm(_ role: TensorRole, _ layer: Int? = nil) -> NormSpec {
    NormSpec(
      kind: norm, epsilon: epsilon, weight: tensor(role, [width], layer),
      bias: normHasBias ? tensor(role, [width], layer, isBias: true) : nil, weightOffset: normOffset)
  }

  private func headNorm(_ role: TensorRole, _ layer: Int, _ heads: Int) -> HeadNormSpec? {
    guard let plan = queryKeyNorm else { return nil }
    let whole = heads * headSize, count = plan.span == .head ? headSize : whole
    let norm = NormSpec(
      kind: plan.kind, epsilon: epsilon, weight: tensor(role, [count], layer),
      bias: plan.hasBias ? tensor(role, [count], layer, isBias: true) : nil, weightOffset: normOffset)
    return HeadNormSpec(norm: norm, size: plan.span == .row ? whole : headSize)
  }

  private func tensor(_ role: TensorRole, _ shape: [Int], _ layer: Int? = nil, isBias: Bool = false) -> TensorSpec {
    let whole = TensorSpec(role, layer: layer, isBias: isBias, shape: shape)
    return TensorSpec(role, layer: layer, isBias: isBias, shape: shape, slices: naming.slices(of: whole, plan: self))
  }
}
