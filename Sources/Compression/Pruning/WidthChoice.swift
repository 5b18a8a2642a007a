import Checkpoints
import Inference
import Models
import OrderedCollections
import Tensors

/// Which channels of the residual stream stay, and what the matrices that read them become.
///
/// A norm divides by the mean square of what is left of the stream, so its weights are multiplied with what that changes on average, and
/// matrices behind it are fitted to the outputs that they had.
struct WidthChoice {
  private let source: ModelSource
  private let calibration: Calibration
  /// The layers that are left, by their numbers in `source`.
  private let layers: [Int]

  init(_ source: ModelSource, _ calibration: Calibration, layers: [Int]) {
    self.source = source
    self.calibration = calibration
    self.layers = layers
  }

  /// Groups of matrices that read the stream through a norm.
  private func readers(of layer: Int) -> [(group: MatrixGroup, norm: NormSpec?)] {
    let spec = source.spec.layers[layer], groups = MatrixGroup.groups(of: spec, layer: layer)
    return [
      (groups[0], spec.attentionNorm), (groups[2], spec.arrangement == .parallelShared ? spec.attentionNorm : spec.mlpNorm),
    ]
  }

  /// The `count` channels that add most to what reads the stream.
  ///
  /// - Throws: `usage` for norms that are not those of what a branch reads (PRUNE-9).
  func channels(_ count: Int) throws(LMToolError) -> [Int] {
    let width = source.spec.width
    guard
      source.spec.layers.allSatisfy({ $0.arrangement != .postNorm && $0.attentionNorm != nil && $0.attentionOutputNorm == nil }),
      source.spec.finalNorm?.kind == .rms, source.spec.projectIn == nil
    else {
      throw LMToolError(
        .usage, "--width is for models with RMSNorm before each branch, and none behind; this has others", file: source.path,
        rule: "PRUNE-9")
    }
    var scores = [Double](repeating: 0, count: width)
    for layer in layers {
      for (group, _) in readers(of: layer) {
        let moment = try moment(of: group)
        for linear in group.linears {
          let weights = try LayerMatrices.floats(linear.weight, of: source)
          let price = (calibration.sensitivities.matrices[linear.weight.name] ?? 0) / 2
          for row in stride(from: 0, to: weights.count, by: width) {
            for channel in 0..<width {
              let weight = Double(weights[row + channel])
              scores[channel] += price * weight * weight * Double(moment[channel * (width + 1)])
            }
          }
        }
      }
    }
    let kept = (0..<width).sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(count)
    guard scores.allSatisfy(\.isFinite) else {
      throw LMToolError(.badInput, "the importance of a channel is not a finite number", file: source.path, rule: "PRUNE-8")
    }
    return kept.sorted()
  }

  private func moment(of group: MatrixGroup) throws(LMToolError) -> [Float] {
    guard let moment = try calibration.secondMoment(of: group) else {
      throw LMToolError(.bug, "the calibration has no moments", at: .tensor(group.linears[0].weight.name))
    }
    return moment
  }

  /// Puts norms and matrices in the place of those of `shallow`, of the same shapes, that suit the channels `kept.width`.
  func fit(
    _ shallow: ModelSource, _ kept: KeptParts, _ tensors: inout [String: any TensorReader], folder: String, compensates: Bool
  ) throws(LMToolError) {
    guard let width = kept.width else { return }
    var changed: [(spec: TensorSpec, floats: [Float])] = []
    for (place, layer) in layers.enumerated() {
      let groups = MatrixGroup.groups(of: shallow.spec.layers[place], layer: place)
      for (index, reader) in readers(of: layer).enumerated() {
        let moment = try moment(of: reader.group)
        let own = shallow.spec.layers[place]
        if let norm = index == 0 ? own.attentionNorm : own.mlpNorm {
          changed.append((norm.weight, try rescaled(norm, of: shallow, moment, width)))
        }
        guard compensates else { continue }
        for linear in groups[2 * index].linears {
          let before: [Float]
          if let tensor = tensors[linear.weight.name] {
            before = try tensor.readAll()
          } else {
            before = try LayerMatrices.floats(linear.weight, of: shallow)
          }
          let floats = try Moments.fitted(before, moment, size: source.spec.width, keeping: width, damping: 0.01)
          changed.append((linear.weight, floats))
        }
      }
    }
    if let norm = shallow.spec.finalNorm {
      changed.append((norm.weight, try rescaled(norm, of: shallow, calibration.headMoment, width)))
    }
    let path = folder + "/width.safetensors"
    let writer = try SafetensorsWriter(
      path: path, entries: changed.map { SafetensorsEntry(name: $0.spec.name, dtype: .f32, shape: $0.spec.shape) })
    for tensor in changed { try writer.append(tensor.floats) }
    try writer.finish()
    for (name, tensor) in try SafetensorsFile(path: path).tensors { tensors[name] = tensor }
  }

  /// The weight of a norm, times the root of what the mean square of its input becomes: with x = w h / |h|, h_c² is x_c² / w_c² but for
  /// what all share.
  private func rescaled(
    _ norm: NormSpec, of model: ModelSource, _ moment: [Float], _ kept: [Int]
  ) throws(LMToolError) -> [Float] {
    let weight = try LayerMatrices.floats(norm.weight, of: model), size = weight.count
    let energies = (0..<size).map { channel -> Double in
      let factor = Double(weight[channel] + norm.weightOffset)
      return factor == 0 ? 0 : Double(moment[channel * (size + 1)]) / (factor * factor)
    }
    let left = kept.reduce(0.0) { $0 + energies[$1] } / Double(max(1, kept.count))
    let all = energies.reduce(0, +) / Double(max(1, size))
    let scale = all > 0 && left > 0 ? Float((left / all).squareRoot()) : 1
    return weight.map { ($0 + norm.weightOffset) * scale - norm.weightOffset }
  }
}
