import Inference
import Models
import Tensors
import Tokenizers

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Prunes a model: vocabulary, layers, channels, heads, width, single weights (`formats/pruning.md`).
public struct Pruning {
  private let source: ModelSource
  private let path: String
  private let options: PruningOptions
  private let calibration: CalibrationOptions
  private let type: DType
  private let progress: ProgressConsumer?

  /// Windows of the text that are kept aside to judge the result by.
  private static let heldOutWindows = 4
  /// So much more of a layer than of all is the most that it can lose.
  private static let spread = 2.5

  /// A pruning of `source` into the model directory `path`, whose weights are of `type`; nil for that of the source.
  ///
  /// - Parameter calibration: the text, or a calibration that is there; the model's own samples where it says nothing.
  public init(
    _ source: ModelSource, to path: String, options: PruningOptions, calibration: CalibrationOptions, type: DType? = nil,
    progress: ProgressConsumer? = nil
  ) {
    self.source = source
    self.path = path
    self.options = options
    self.calibration = calibration
    self.type = type ?? Importing.defaultType(of: source)
    self.progress = progress
  }

  /// Prunes, and writes what is left.
  ///
  /// - Parameters:
  ///   - pads: whether zeros make up for what is missing, so that `transformers` opens a model whose layers differ.
  ///   - warn: receives what the person who gave the text should know.
  /// - Throws: `usage` for what is not possible, before any work; `badInput`, `cannotCreate`.
  public func run(pads: Bool = false, warn: (String) -> Void = { _ in }) throws(LMToolError) -> PruningReport {
    try OutputPath.check(path, against: source)
    guard access(path, F_OK) != 0 else {
      throw LMToolError(.cannotCreate, "it exists already; name another folder or remove this one first", file: path)
    }
    try options.validate(for: source)
    if let goal = options.parameters(dtype: type) { try check(goal) }
    // A vocabulary that is not possible is refused here.
    if let size = options.vocabulary { _ = try plan(tokens: []).tokens(size: size) }
    var timer = StageTimer()
    let work = try WorkFolder(beside: path)
    let text = try PruningText(
      source, options, calibration, heldOut: Self.heldOutWindows, savingTo: work.path + "/calibration", progress: progress,
      warn: warn)
    timer.finish("calibration")
    let plan = try decide(text)
    timer.finish("choice")
    var result = try prune(plan, text, folder: work.path)
    timer.finish("pruning")
    if pads { result.source = try result.source.padded() }
    var report = report(result, plan)
    if let aside = text.aside, source.tokenizer != nil {
      let judge = try RateJudge(source, windows: try windows(aside, for: result.source), tokenizedBy: result.source)
      report.quality = try judge.judge(result.source, progress: progress)
      timer.finish("evaluation")
    }
    try Importing.run(result.source, to: path, type: type, progress: progress)
    withExtendedLifetime(work) {}
    timer.finish("writing")
    report.seconds = timer.seconds
    return report
  }

  /// Refuses a target that is no less than what there is, or that nothing can reach (PRUNE-9).
  private func check(_ goal: Int) throws(LMToolError) {
    guard goal < source.parameterCount else {
      throw LMToolError(
        .usage, "the target of \(goal) parameters is no less than the \(source.parameterCount) that there are",
        file: source.path, rule: "PRUNE-9")
    }
    let vocabulary = PruningText.isGiven(calibration) && source.tokenizer != nil ? try plan(tokens: []) : nil
    let target = PruningTarget(source.spec, parameters: source.parameterCount, [:], steps: [], vocabulary: vocabulary)
    let least = target.least(layers: layersWanted)
    guard goal >= least else { throw PruningTarget.tooSmall(goal, least: least, file: source.path) }
  }

  /// The windows in the tokens of a model that may have fewer of them.
  private func windows(_ windows: TokenWindows, for model: ModelSource) throws(LMToolError) -> TokenWindows {
    guard model.spec.vocabularySize < source.spec.vocabularySize else { return windows }
    let splits = try TokenSplits(of: try source.makeTokenizer(), in: try model.makeTokenizer())
    return TokenWindows(windows.tokens.flatMap { splits[$0] }, length: windows.length)
  }

  // MARK: What goes

  /// What goes of a model, decided.
  private struct Plan {
    /// What is left of the layers.
    var balance: PruningBalance
    /// What each layer is worth; empty where layers were not compared.
    var worths: [LayerSearch.Worth] = []
    /// The layers that go, in their order; their KL where it was measured.
    var gone: [(layer: Int, divergence: Double?)] = []
    /// Tokens that are left, where some go.
    var tokens: Int?
  }

  private func decide(_ text: PruningText) throws(LMToolError) -> Plan {
    let layers = Array(source.spec.layers.indices)
    var plan = Plan(balance: PruningBalance([:], layers: layers), tokens: options.vocabulary)
    if options.searchesLayers, let windows = text.kept {
      let search = try LayerSearch(source, windows)
      let steps = try search.search(layersWanted, progress: progress)
      plan.worths = search.worths
      if let goal = options.parameters(dtype: type) { return try aim(goal, text, steps, plan) }
      plan.gone = steps.map { ($0.layer, $0.divergence) }
    }
    if case .list(let list) = options.layers { plan.gone = Set(list).sorted().map { ($0, nil) } }
    let gone = Set(plan.gone.map(\.layer))
    let left = layers.filter { !gone.contains($0) }
    plan.balance = PruningBalance(try importances(of: left, text), layers: left)
    if let mlp = options.mlp { plan.balance.takeChannels(mlp, of: source.spec, isUniform: options.takesEqually) }
    if let heads = options.heads { plan.balance.takeGroups(heads, of: source.spec, isUniform: options.takesEqually) }
    return plan
  }

  /// How many layers may go.
  private var layersWanted: Int {
    if case .count(let count) = options.layers { return count }
    let spec = source.spec, goal = options.parameters(dtype: type) ?? source.parameterCount
    let layer = spec.layers[0].tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
    return min(spec.layers.count / 2, (source.parameterCount - goal + layer - 1) / max(1, layer))
  }

  /// The plan that costs least with at most `goal` parameters.
  private func aim(
    _ goal: Int, _ text: PruningText, _ steps: [LayerSearch.Step], _ plan: Plan
  ) throws(LMToolError) -> Plan {
    let vocabulary = text.isGiven && source.tokenizer != nil ? try self.plan(tokens: text.kept?.tokens ?? []) : nil
    var target = PruningTarget(
      source.spec, parameters: source.parameterCount, try importances(of: Array(source.spec.layers.indices), text), steps: steps,
      vocabulary: vocabulary)
    try target.reach(goal, file: source.path)
    var plan = plan
    plan.balance = target.balance
    plan.gone = steps.prefix(target.layersGone).map { ($0.layer, $0.divergence) }
    plan.tokens = target.tokens
    return plan
  }

  /// What the parts of layers are worth, as far as it matters.
  private func importances(of layers: [Int], _ text: PruningText) throws(LMToolError) -> [Int: LayerImportance] {
    guard let calibration = text.calibration else { return [:] }
    let meter = ImportanceMeter(source, calibration, options.importance, seed: options.seed)
    var result: [Int: LayerImportance] = [:]
    for (done, layer) in layers.enumerated() {
      let spec = source.spec.layers[layer], groups = spec.attention.keyValueHeads, channels = spec.mlp.up.outputs
      func most(_ size: Int, _ fraction: Double?) -> Int {
        if options.target != nil { return PruningTarget.mostChannels(size) }
        return min(size - 1, Int((min(0.95, (fraction ?? 0) * Self.spread) * Double(size)).rounded(.up)))
      }
      result[layer] = try meter.measure(
        layer: layer, channels: options.mlp == nil && options.target == nil ? 0 : most(channels, options.mlp),
        groups: options.heads == nil && options.target == nil ? 0 : groups - 1)
      progress?(ProgressUpdate(stage: "importance", done: done + 1, total: layers.count, unit: .passes))
    }
    return result
  }

  private func plan(tokens: [Int32]) throws(LMToolError) -> VocabularyPlan {
    if options.vocabularyOrder == .rank {
      let size = source.spec.vocabularySize
      return VocabularyPlan(
        try VocabularyTrimming(source), shares: (0..<size).map { Double(size - $0) }, bitsPerWeight: Double(8 * type.size))
    }
    var use = TokenUse(size: source.spec.vocabularySize)
    use.add(tokens)
    let expected =
      tokens.count < 256
      ? nil : try ExpectedTokens(try Transformer(source), tokens: tokens, windows: 16, progress: progress).shares
    return VocabularyPlan(
      try VocabularyTrimming(source), shares: use.shares(expected: expected), bitsPerWeight: Double(8 * type.size))
  }

  // MARK: Going

  /// What is left, and what was done to it.
  private struct Result {
    var source: ModelSource
    var losses: [PruningReport.Tensor] = []
    var vocabularyCost: Double?
  }

  private func prune(_ plan: Plan, _ text: PruningText, folder: String) throws(LMToolError) -> Result {
    var whole = KeptParts(of: source.spec)
    let left = plan.balance.layers
    whole.layers = left.map { whole.layers[$0] }
    let shallow = left.count < source.spec.layers.count ? try source.pruned(to: whole) : source
    var kept = plan.balance.kept(of: shallow.spec)
    // What cannot be said in the words of the family is refused before the model is run.
    if let width = options.width, let calibration = text.calibration {
      kept.width = try WidthChoice(source, calibration, layers: left).channels(width)
    }
    _ = try shallow.pruned(to: kept)
    let isNarrower = kept.layers.indices.contains { index in
      let layer = shallow.spec.layers[index]
      return kept.layers[index].groups.count < layer.attention.keyValueHeads
        || kept.layers[index].channels.count < layer.mlp.up.outputs
    }
    let work = PruningPass.Work(kept: kept, compensates: isNarrower && options.compensates, sparsity: options.sparsity)
    let pass = PruningPass(shallow, work, folder: folder)
    if isNarrower || options.sparsity != nil {
      let needsText = work.compensates || options.sparsity?.method.needsMoments ?? false
      try pass.run(windows: needsText ? text.kept : nil, progress: progress)
    }
    var tensors = pass.tensors
    if kept.width != nil, let calibration = text.calibration {
      try WidthChoice(source, calibration, layers: left).fit(
        shallow, kept, &tensors, folder: folder, compensates: options.compensates)
    }
    var result = Result(source: try shallow.pruned(to: kept, replacing: tensors), losses: pass.losses)
    if let size = plan.tokens {
      let vocabulary = try self.plan(tokens: text.isGiven ? text.kept?.tokens ?? [] : [])
      result.source = try VocabularyTrimming(result.source).trimmed(keeping: try vocabulary.tokens(size: size))
      result.vocabularyCost = options.vocabularyOrder == .loss ? vocabulary.estimate(size: size).nats : nil
    }
    return result
  }

  // MARK: Telling

  private func report(_ result: Result, _ plan: Plan) -> PruningReport {
    var report = PruningReport(
      model: source.path, parametersBefore: source.parameterCount, parametersAfter: result.source.parameterCount,
      vocabularyBefore: source.spec.vocabularySize, vocabularyAfter: result.source.spec.vocabularySize,
      vocabularyCost: result.vocabularyCost, widthBefore: source.spec.width, widthAfter: result.source.spec.width,
      layers: source.spec.layers.indices.map { layer($0, plan) }, tensors: result.losses,
      sparsity: options.sparsity.map { "\($0.pattern.name) \($0.method.rawValue)" }, opensInTransformers: result.source.isPlain)
    if options.sparsity != nil {
      let sizes = Dictionary(source.spec.tensors.map { ($0.name, $0.shape.reduce(1, *)) }) { first, _ in first }
      let zeros = result.losses.reduce(0.0) { $0 + $1.sparsity * Double(sizes[$1.name] ?? 0) }
      report.nonzero = result.source.parameterCount - Int(zeros.rounded())
    }
    return report
  }

  private func layer(_ index: Int, _ plan: Plan) -> PruningReport.Layer {
    let spec = source.spec.layers[index], channels = plan.balance.goneChannels(index), groups = plan.balance.goneGroups(index)
    var layer = PruningReport.Layer(
      index: index, newIndex: plan.balance.layers.firstIndex(of: index), groups: spec.attention.keyValueHeads,
      channels: spec.mlp.up.outputs, channelsLeft: spec.mlp.up.outputs - channels.count)
    if plan.worths.indices.contains(index) {
      (layer.influence, layer.divergence) = (plan.worths[index].influence, plan.worths[index].divergence)
    }
    if let place = plan.gone.firstIndex(where: { $0.layer == index }) {
      let before = place > 0 ? plan.gone[place - 1].divergence ?? 0 : 0
      layer.cost = plan.gone[place].divergence.map { $0 - before }
    }
    layer.heads = plan.balance.importances[index]?.heads ?? []
    layer.groupsGone = groups.map(\.unit)
    layer.groupCosts = groups.map(\.nats)
    layer.channelCost = channels.reduce(0) { $0 + $1.nats }
    let all = plan.balance.importances[index]?.channels ?? [], step = max(1, (all.count + 63) / 64)
    layer.channelCosts = stride(from: 0, to: all.count, by: step).map { all[$0].nats }
    return layer
  }
}
