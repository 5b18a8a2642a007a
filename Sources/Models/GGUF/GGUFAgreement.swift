import Checkpoints
import Tensors

extension GGUFMapping {
  /// Checks that a file describes a model as it is, and that llama.cpp runs it (MODEL-12).
  ///
  /// - Parameters:
  ///   - file: what the file will say.
  ///   - path: the model, for errors.
  /// - Throws: `usage` that says what of the model cannot be expressed.
  public func check(_ spec: ModelSpec, against file: GGUFModel, path: String?) throws(LMToolError) {
    if let objection = objection(to: spec) ?? commonObjection(to: spec) { throw refusal(objection, path) }
    let read = try Architectures.spec(of: Configuration(try configuration(of: file), file: path))
    for (mine, other) in zip(measures(spec), measures(read)) where !Self.agree(mine.values, other.values) {
      throw refusal("\(mine.what) cannot be expressed", path)
    }
  }

  private func refusal(_ reason: String, _ path: String?) -> LMToolError {
    LMToolError(
      .usage, "llama.cpp would not compute this model as a \(traits.name): \(reason)", file: path, rule: "MODEL-12")
  }

  /// What llama.cpp lacks of any family.
  private func commonObjection(to spec: ModelSpec) -> String? {
    let attention = spec.layers[0].attention
    if !traits.hasLayerSizes, Set(spec.layers.map(LayerSizes.init)).count > 1 {
      return "its layers differ in size; --pad fills up with zeros what they lack"
    }
    if !traits.hasFreeHeadSize, attention.heads * attention.headSize != spec.width {
      return "\(attention.heads) heads of \(attention.headSize) do not make up the width \(spec.width)"
    }
    let biases = spec.tensors.filter { $0.isBias && !$0.role.isNorm && !traits.biases.contains($0.role) }
    if let bias = biases.first { return "the bias \(bias.name) has no place" }
    if !traits.readsFactors, !factors(of: spec).isEmpty { return "its rotary scaling has no place" }
    return nil
  }

  /// Whether numbers are the same but for rounding.
  private static func agree(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * max(abs($0), abs($1)) }
  }

  /// Everything that decides how a model computes, as numbers under names.
  private func measures(_ spec: ModelSpec) -> [(what: String, values: [Float])] {
    func flag(_ value: Bool) -> Float { value ? 1 : 0 }
    let isTied = spec.isTied && traits.tiedHead != .repeated
    let whole: [(what: String, values: [Float])] = [
      ("the number of layers", [Float(spec.layers.count)]),
      ("the scale of embeddings", [spec.embeddingScale]), ("the scale of logits", [spec.logitScale]),
      ("the softcap of logits", [spec.logitSoftcap ?? 0]), ("the head", [flag(isTied), flag(spec.head.bias != nil)]),
      ("the learned positions", spec.positions.map { [Float($0.table.shape[0]), Float($0.offset)] } ?? []),
      ("the projection of embeddings", [flag(spec.projectIn != nil), flag(spec.projectOut != nil)]),
      ("the norm before the head", norm(spec.finalNorm)),
    ]
    return whole + spec.layers.flatMap(measures)
  }

  private func measures(_ layer: LayerSpec) -> [(what: String, values: [Float])] {
    let attention = layer.attention, mlp = layer.mlp
    let arrangement = LayerSpec.Arrangement.allCases.firstIndex(of: layer.arrangement) ?? 0
    let linears = [attention.query, attention.key, attention.value, attention.output, mlp.up, mlp.down]
    let norms = [layer.attentionNorm, layer.attentionOutputNorm, layer.mlpNorm, layer.mlpOutputNorm]
    let window = traits.windows == .cut ? 0 : attention.window ?? 0
    return [
      ("the order of attention and MLP", [Float(arrangement)]), ("its norms", norms.flatMap(norm)),
      ("the scale of attention", [attention.scale]), ("the softcap of attention", [attention.softcap ?? 0]),
      ("its sliding window", [Float(window)]), ("its rotary embedding", rotary(attention)),
      ("the growth of queries", attention.queryScaling.map { [Float($0.beta), Float($0.originalContext)] } ?? []),
      ("the norm of queries", norm(attention.queryNorm?.norm) + [Float(attention.queryNorm?.size ?? 0)]),
      ("the sizes of its matrices", linears.flatMap { [Float($0.outputs), Float($0.inputs)] }),
      ("its biases", linears.map { $0.bias == nil ? 0 : 1 }),
      ("its activation", [activation(mlp.activation), mlp.gate == nil ? 0 : 1]),
      ("the scale of its branches", [layer.residualScale]),
    ]
  }

  private func norm(_ norm: NormSpec?) -> [Float] {
    guard let norm else { return [] }
    return [norm.kind == .rms ? 0 : 1, norm.epsilon, Float(norm.weight.shape[0]), norm.bias == nil ? 0 : 1, norm.weightOffset]
  }

  private func rotary(_ attention: AttentionSpec) -> [Float] {
    guard let rotary = attention.rotary else { return [] }
    let frequencies = [false, true].flatMap { rotary.frequencies(headSize: attention.headSize, isLong: $0) }
    return [rotary.attentionFactor] + frequencies
  }

  /// llama.cpp computes every GELU by its approximation.
  private func activation(_ activation: MLPSpec.Activation) -> Float {
    switch activation {
    case .silu: 0
    case .gelu, .geluTanh: 1
    case .relu: 2
    }
  }
}
