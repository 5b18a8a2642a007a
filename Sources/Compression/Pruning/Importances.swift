import Inference
import Kernels
import Models
import Tensors

/// A part of a layer in the order in which parts are worth giving up.
struct Removal: Sendable {
  /// The number of the channel, or of the head of keys and values.
  var unit: Int
  /// What giving it up, after those before it, is expected to add to the KL, in nats for each token.
  var nats: Double
}

/// How channels and heads are ranked.
public enum PruningImportance: String, Sendable, CaseIterable, Codable {
  /// By what is lost when the others make up for them.
  case loss
  /// By the mean square of what they add to the output: activations and weights.
  case activation
  /// By chance, to compare with.
  case random
}

/// What every channel and head of a layer is worth, from second moments of activations and from how much the loss of the whole model moves
/// when outputs do.
struct LayerImportance: Sendable {
  /// Channels, the least important first.
  var channels: [Removal]
  /// Heads of keys and values with their queries, the least important first.
  var groups: [Removal]
  /// What each query head alone adds to the output, in nats.
  var heads: [Double]
}

/// Ranks the parts of layers.
struct ImportanceMeter {
  private let source: ModelSource
  private let calibration: Calibration
  private let importance: PruningImportance
  private let seed: UInt64

  /// What moments are damped by, as a fraction of the mean of their diagonal.
  static let damping = 0.01

  init(_ source: ModelSource, _ calibration: Calibration, _ importance: PruningImportance, seed: UInt64) {
    self.source = source
    self.calibration = calibration
    self.importance = importance
    self.seed = seed
  }

  /// Ranks at most `channels` channels and `groups` heads of keys and values of a layer; nothing else is computed.
  ///
  /// - Parameter limits: of losses in nats; what costs more is not looked at, nor what would go after it.
  /// - Throws: `badInput` when moments are missing or not finite (CAL-5, MODEL-5, PRUNE-8).
  func measure(
    layer: Int, channels: Int, groups: Int, limits: (channel: Double, group: Double) = (.infinity, .infinity)
  ) throws(LMToolError) -> LayerImportance {
    let spec = source.spec.layers[layer], attention = spec.attention
    let all = MatrixGroup.groups(of: spec, layer: layer)
    let size = attention.headSize, shared = attention.heads / attention.keyValueHeads
    let blocks = (0..<attention.keyValueHeads).map { Array($0 * shared * size..<($0 + 1) * shared * size) }
    let output = try Matrix(all[1], source, calibration)
    let heads = (0..<attention.heads).map { output.nats(of: Array($0 * size..<($0 + 1) * size)) }
    var result = LayerImportance(channels: [], groups: [], heads: heads)
    if groups > 0 { result.groups = try rank(output, blocks, most: groups, limit: limits.group, salt: 2 * layer) }
    if channels > 0 {
      let down = try Matrix(all[3], source, calibration)
      let units = (0..<spec.mlp.down.inputs).map { [$0] }
      result.channels = try rank(down, units, most: channels, limit: limits.channel, salt: 2 * layer + 1)
    }
    for removal in result.channels + result.groups where !removal.nats.isFinite {
      throw LMToolError(
        .badInput, "the importance of part \(removal.unit) of layer \(layer) is not a finite number; the model is broken",
        file: source.path, rule: "PRUNE-8")
    }
    return result
  }

  private func rank(
    _ matrix: Matrix, _ units: [[Int]], most: Int, limit: Double, salt: Int
  ) throws(LMToolError) -> [Removal] {
    switch importance {
    case .loss: return try matrix.eliminate(units, most: most, limit: limit)
    case .activation:
      let nats = units.map { matrix.nats(of: $0) }
      return units.indices.sorted { (nats[$0], $0) < (nats[$1], $1) }.prefix(most).map { Removal(unit: $0, nats: nats[$0]) }
    case .random:
      var random = Random(seed: seed &+ UInt64(salt)), order = Array(units.indices)
      for index in order.indices.dropLast() {
        order.swapAt(index, index + min(Int(random.unit() * Double(order.count - index)), order.count - index - 1))
      }
      return order.prefix(most).map { Removal(unit: $0, nats: matrix.nats(of: units[$0])) }
    }
  }

  /// The matrix that reads what may go.
  private struct Matrix {
    let weights: [Float]
    let moment: [Float]
    let inputs: Int
    /// Nats for a squared unit of error of the outputs together.
    let price: Double

    init(_ group: MatrixGroup, _ source: ModelSource, _ calibration: Calibration) throws(LMToolError) {
      let spec = group.linears[0].weight
      weights = try LayerMatrices.floats(spec, of: source)
      guard let moment = try calibration.secondMoment(of: group) else {
        throw LMToolError(.bug, "the calibration has no moments", at: .tensor(spec.name))
      }
      self.moment = moment
      inputs = group.inputs
      price = (calibration.sensitivities.matrices[spec.name] ?? 0) / 2
    }

    /// What some inputs add to the outputs, in nats.
    func nats(of block: [Int]) -> Double {
      var total = 0.0
      for output in 0..<weights.count / max(1, inputs) {
        for i in block {
          let weight = Double(weights[output * inputs + i])
          var sum = 0.0
          for j in block { sum += Double(weights[output * inputs + j]) * Double(moment[i * inputs + j]) }
          total += weight * sum
        }
      }
      return price * max(0, total)
    }

    /// The cheapest units, one after the other, the rest making up for each; until one costs more than `limit`.
    func eliminate(_ units: [[Int]], most: Int, limit: Double) throws(LMToolError) -> [Removal] {
      let factor = try Moments.factor(moment, size: inputs, damping: ImportanceMeter.damping)
      let elimination = ColumnElimination(weights, factor: factor)
      var removals: [Removal] = [], left = Array(units.indices)
      let areSingle = units.allSatisfy { $0.count == 1 }
      while removals.count < min(most, units.count) {
        if areSingle {
          guard let input = elimination.cheapest() else { break }
          let nats = price * elimination.cost(of: input)
          guard !(nats > limit) else { break }
          removals.append(Removal(unit: input, nats: nats))
          elimination.remove(input)
        } else {
          let costs = left.map { elimination.cost(of: units[$0]) }
          guard let at = costs.indices.min(by: { costs[$0] < costs[$1] }), !(price * costs[at] > limit) else { break }
          removals.append(Removal(unit: left[at], nats: price * costs[at]))
          for input in units[left[at]] { elimination.remove(input) }
          left.remove(at: at)
        }
      }
      return removals
    }
  }
}
