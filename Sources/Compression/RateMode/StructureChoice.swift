import Models
import Tensors

/// Whether a compression may give up parts of layers.
public enum StructureGoal: Sendable, Equatable {
  /// Those that are worth less than their bytes.
  case automatic
  /// None.
  case whole
}

/// What parts of the layers a compression gives up before it quantizes the rest, and why: those whose loss is smaller than what their bytes
/// win elsewhere (PRUNE-13).
struct StructureChoice {
  /// The model, pruned or as it was.
  let source: ModelSource
  /// The calibration, of what is left.
  let calibration: Calibration
  /// What went, and the reason.
  let report: RateReport.Structure

  /// Losses that are expected come out larger by so much: those of channels and heads, which are estimated each for itself (10 % of
  /// SmolLM2's channels: 0.037 expected, 0.084 measured), and those of layers, which are measured.
  private static let caution = (parts: 2.5, layers: 1.5)
  /// What is not worth another structure: a smaller part of the loss.
  private static let leastGain = 0.01

  private init(_ source: ModelSource, _ calibration: Calibration, _ report: RateReport.Structure) {
    (self.source, self.calibration, self.report) = (source, calibration, report)
  }

  /// Keeps everything, for a reason.
  init(whole source: ModelSource, _ calibration: Calibration, because reason: String) {
    let report = RateReport.Structure(source.spec, source.spec, reason: "kept whole: \(reason)")
    self.init(source, calibration, report)
  }

  /// Weighs channels, heads and layers against what their bytes are worth in a file of `budget` bytes, and prunes.
  ///
  /// - Parameters:
  ///   - calibration: of the model, with second moments.
  ///   - folder: holds what is fitted anew, as long as the pruned model is used.
  /// - Throws: `badInput` by PRUNE-8; `cannotCreate`, `inputOutput`.
  static func weigh(
    _ source: ModelSource, _ calibration: Calibration, budget: Int, folder: String, progress: ProgressConsumer?
  ) throws(LMToolError) -> StructureChoice {
    func whole(_ reason: String) -> StructureChoice { StructureChoice(whole: source, calibration, because: reason) }
    let price = RatePrice(source, budget: budget), weight = price.byte * min(price.bits, 8) / 8
    let target = try StructureWeighing(source, calibration, price: weight, caution: caution).weigh(progress: progress)
    let saved = Double(source.parameterCount - target.parameters) * min(price.bits, 8) / 8, worth = saved * price.byte
    let figures = "about \(Int(saved)) bytes, worth \(RatePrice.text(worth)) nats elsewhere"
    guard saved > 0 else { return whole("no channel, head or layer is worth less than its bytes") }
    guard worth - target.nats >= leastGain * price.loss else {
      return whole("what could go would free \(figures), and cost about \(RatePrice.text(target.nats))")
    }
    let pruned: ModelSource
    do throws(LMToolError) {
      pruned = try prune(source, target.balance, calibration.windows, folder, progress)
    } catch {
      guard error.rule == "MODEL-14" else { throw error }
      return whole("models of this family cannot lose parts")
    }
    let report = RateReport.Structure(
      source.spec, pruned.spec, reason: "\(figures), for a loss of about \(RatePrice.text(target.nats))")
    let kept = try calibration.of(pruned, layers: target.balance.layers, of: source.spec)
    return StructureChoice(pruned, kept, report)
  }

  private static func prune(
    _ source: ModelSource, _ balance: PruningBalance, _ windows: TokenWindows, _ folder: String,
    _ progress: ProgressConsumer?
  ) throws(LMToolError) -> ModelSource {
    var whole = KeptParts(of: source.spec)
    whole.layers = balance.layers.map { whole.layers[$0] }
    let shallow = balance.layers.count < source.spec.layers.count ? try source.pruned(to: whole) : source
    let kept = balance.kept(of: shallow.spec)
    _ = try shallow.pruned(to: kept)
    let pass = PruningPass(shallow, PruningPass.Work(kept: kept, compensates: true, sparsity: nil), folder: folder)
    try pass.run(windows: windows, progress: progress)
    return try shallow.pruned(to: kept, replacing: pass.tensors)
  }
}

/// Weighs the parts of layers against a price.
private struct StructureWeighing {
  private let source: ModelSource
  private let calibration: Calibration
  /// Nats that a weight is worth.
  private let price: Double
  private let caution: (parts: Double, layers: Double)

  /// Of a layer, at most this share goes in parts.
  private static let most = 0.75

  init(_ source: ModelSource, _ calibration: Calibration, price: Double, caution: (parts: Double, layers: Double)) {
    self.source = source
    self.calibration = calibration
    self.price = price
    self.caution = caution
  }

  /// What is worth less than its weights.
  func weigh(progress: ProgressConsumer?) throws(LMToolError) -> PruningTarget {
    let spec = source.spec, meter = ImportanceMeter(source, calibration, .loss, seed: 0)
    var importances: [Int: LayerImportance] = [:]
    for layer in spec.layers.indices {
      let groups = spec.layers[layer].attention.keyValueHeads, channels = spec.layers[layer].mlp.up.outputs
      let limits = (
        channel: price / caution.parts * Double(spec.channelSize(layer: layer)),
        group: price / caution.parts * Double(spec.groupSize(layer: layer))
      )
      importances[layer] = try meter.measure(
        layer: layer, channels: min(channels - 1, Int(Self.most * Double(channels))), groups: groups - 1, limits: limits
      ).times(caution.parts)
      progress?(ProgressUpdate(stage: "importance", done: layer + 1, total: spec.layers.count, unit: .passes))
    }
    let search = try LayerSearch(source, calibration.windows), limit = price / caution.layers
    let sizes = spec.layers.map { Double($0.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }) }
    let steps = try search.search(spec.layers.count / 2, progress: progress) { $1 <= limit * sizes[$0.layer] }
    var target = PruningTarget(
      spec, parameters: source.parameterCount, importances,
      steps: steps.map { LayerSearch.Step(layer: $0.layer, divergence: $0.divergence * caution.layers) }, vocabulary: nil)
    target.take(price: price)
    return target
  }
}

extension LayerImportance {
  /// Losses times a factor.
  fileprivate func times(_ factor: Double) -> LayerImportance {
    func times(_ removals: [Removal]) -> [Removal] { removals.map { Removal(unit: $0.unit, nats: factor * $0.nats) } }
    return LayerImportance(channels: times(channels), groups: times(groups), heads: heads)
  }
}

extension Calibration {
  /// The calibration of what is left of the layers of a model: what stays matters as it did.
  fileprivate func of(_ pruned: ModelSource, layers: [Int], of whole: ModelSpec) throws(LMToolError) -> Calibration {
    var sensitivities = sensitivities, noise: [String: Double] = [:]
    sensitivities.matrices = [:]
    for (index, layer) in layers.enumerated() {
      let new = MatrixGroup.groups(of: pruned.spec.layers[index], layer: index).flatMap(\.linears)
      let old = MatrixGroup.groups(of: whole.layers[layer], layer: layer).flatMap(\.linears)
      for (new, old) in zip(new, old) {
        sensitivities.matrices[new.weight.name] = self.sensitivities.matrices[old.weight.name]
        noise[new.weight.name] = self.noise[old.weight.name]
      }
    }
    return Calibration(
      model: try ModelFingerprint.of(pruned), windows: windows, sensitivities: sensitivities, noise: noise,
      headMoment: headMoment, effectiveRanks: [], warnings: warnings)
  }
}
