import Inference
import Kernels
import Models

/// What a training step minimises: divergence of a teacher, mixed with the likelihood of the text.
public struct LossOptions: Sendable, Equatable {
  /// The share of KL(teacher ‖ student); the rest is cross-entropy of the text. 0 without a teacher.
  public var divergence: Float = 1
  /// What logits of both are divided by for the divergence.
  public var temperature: Float = 1
  /// Without a teacher: a seed with which labels are drawn from what the model itself says, instead of those of the text.
  public var drawing: UInt64?

  /// Divergence alone.
  public init() {}
}

/// What a step's loss was, in nats, summed over tokens that count.
public struct LossSums: Sendable, Equatable {
  /// KL(teacher ‖ student) at the temperature.
  public var divergence = 0.0
  /// -log of the likelihood of the text.
  public var likelihood = 0.0
  /// Tokens, by their weights.
  public var weight = 0.0

  /// Of nothing.
  public init() {}

  /// Adds those of other tokens.
  public static func += (a: inout LossSums, b: LossSums) {
    a.divergence += b.divergence
    a.likelihood += b.likelihood
    a.weight += b.weight
  }
}

/// Where the loss is measured, and against what.
public struct LossTargets: Sendable {
  /// Places in the tokens of a pass whose predictions count.
  public var rows: [Int] = []
  /// What follows at each.
  public var labels: [Int32] = []
  /// How much each counts.
  public var weights: [Float] = []

  /// None.
  public init() {}

  /// The next token at every place but the last of each text.
  public init(predicting tokens: [Int32], window: Int) {
    for place in tokens.indices where place % window != window - 1 {
      rows.append(place)
      labels.append(tokens[place + 1])
      weights.append(1)
    }
  }
}

/// The memory of the loss, for those who plan with it.
public enum VocabularyLossMemory {
  /// Floats of a block of logits of one model, with the copies that a factor or softcap of logits asks for.
  public static func floats(_ spec: ModelSpec, tokens: Int) -> Int {
    let rows = min(tokens, VocabularyLoss.blockRows(spec.vocabularySize))
    return rows * spec.vocabularySize * (spec.logitSoftcap == nil ? 2 : 3)
  }
}

/// The loss over the whole vocabulary and its gradient, some tokens at a time: the logits of all would take more memory than the model.
struct VocabularyLoss {
  let model: TrainedModel
  let teacher: TrainedModel?
  let options: LossOptions

  /// Floats of a block of logits: enough rows that packing the head for their products is little beside these.
  fileprivate static let blockFloats = 1 << 24

  /// Tokens of a block.
  fileprivate static func blockRows(_ vocabulary: Int) -> Int { max(16, blockFloats / max(1, vocabulary)) }

  /// Measures the loss at the targets, and adds to all gradients where `isTraining`.
  ///
  /// - Parameter scale: what gradients are multiplied with, such as 1 / tokens of the step.
  func measure(
    _ tokens: [Int32], window: Int, _ targets: LossTargets, scale: Float, isTraining: Bool
  ) -> LossSums {
    let record = model.pass(tokens, window: window, isKept: isTraining)
    let reference = teacher.map { $0.forward(tokens, window: window) }
    return measure(record, reference, targets, scale: scale, isTraining: isTraining)
  }

  /// The same of a pass of the model, and of what the head of the teacher reads at its tokens.
  func measure(
    _ record: TrainedModel.Record, _ reference: Floats?, _ targets: LossTargets, scale: Float, isTraining: Bool
  ) -> LossSums {
    measured(record, reference, targets, scale: scale, isTraining: isTraining).sums
  }

  /// The gradient of the loss, summed, by what entered the pass of a record.
  func gradient(_ record: TrainedModel.Record, _ targets: LossTargets) -> Floats {
    guard let gradient = measured(record, nil, targets, scale: 1, isTraining: true).gradient else {
      preconditionFailure("a pass that trains has a gradient")
    }
    return gradient
  }

  private func measured(
    _ record: TrainedModel.Record, _ reference: Floats?, _ targets: LossTargets, scale: Float, isTraining: Bool
  ) -> (sums: LossSums, gradient: Floats?) {
    let (gathered, input, context) = model.headInput(record.normalized, rows: targets.rows)
    let reference = reference.flatMap { reference in teacher?.headInput(reference, rows: targets.rows).projected }
    let gradient = context.pool.take(input.count)
    var sums = LossSums()
    let vocabulary = model.spec.vocabularySize
    let block = Self.blockRows(vocabulary)
    for start in stride(from: 0, to: targets.rows.count, by: block) {
      let rows = start..<min(start + block, targets.rows.count)
      sums += measure(
        rows, input, reference, targets, to: isTraining ? gradient : nil, scale: scale, context)
    }
    guard isTraining else { return (sums, nil) }
    return (sums, model.backward(record, rows: targets.rows, gathered: gathered, gradient: gradient, context))
  }

  private func slice(_ floats: Floats, _ rows: Range<Int>, _ context: PassContext) -> Floats {
    let width = floats.count / max(1, context.tokens), result = context.pool.take(rows.count * width)
    result.pointer.update(from: floats.pointer + rows.lowerBound * width, count: result.count)
    return result
  }

  private func measure(
    _ rows: Range<Int>, _ input: Floats, _ reference: Floats?, _ targets: LossTargets, to gradient: Floats?, scale: Float,
    _ all: PassContext
  ) -> LossSums {
    let context = PassContext(tokens: rows.count, window: rows.count, arithmetic: all.arithmetic, pool: all.pool)
    let x = slice(input, rows, all), head = model.head
    let raw = head.forward(x, context)
    let logits = LogitFunction(model.spec)
    let z = head.needsOutputs && gradient != nil ? context.scaled(raw, by: 1) : raw
    logits.apply(z, context)
    let capped = logits.softcap != nil && gradient != nil ? context.scaled(z, by: 1) : nil
    var theirs: Floats?
    if let reference, let teacher {
      let t = teacher.head.forward(slice(reference, rows, all), context)
      LogitFunction(teacher.spec).apply(t, context)
      theirs = t
    }
    let sums = differentiate(z, theirs, rows, targets, scale: scale, context)
    guard let gradient else { return sums }
    logits.back(z, capped: capped, context)
    let dx = context.pool.take(x.count)
    head.backward(x, head.needsOutputs ? raw : nil, z, to: dx, accumulate: false, context)
    let width = x.count / rows.count
    gradient.pointer.advanced(by: rows.lowerBound * width).update(from: dx.pointer, count: dx.count)
    return sums
  }

  /// Makes the gradient of a label in a row that of one that is drawn from what the model says.
  private func draw(_ gradient: UnsafeMutablePointer<Float>, insteadOf label: Int, weight: Float, seed: UInt64, row: Int) {
    gradient[label] += weight
    var random = Random(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(row))
    var left = Float(random.unit()) * weight, drawn = 0
    while drawn < model.spec.vocabularySize - 1, left >= gradient[drawn] {
      left -= gradient[drawn]
      drawn += 1
    }
    gradient[drawn] -= weight
  }

  /// Makes gradients of logits, row by row on all threads; the sums run in the order of the rows.
  private func differentiate(
    _ z: Floats, _ theirs: Floats?, _ rows: Range<Int>, _ targets: LossTargets, scale: Float, _ context: PassContext
  ) -> LossSums {
    let vocabulary = model.spec.vocabularySize
    let share = theirs == nil ? 0 : options.divergence, temperature = options.temperature
    var divergences = [Double](repeating: 0, count: rows.count), likelihoods = divergences
    divergences.withUnsafeMutableBufferPointer { divergences in
      likelihoods.withUnsafeMutableBufferPointer { likelihoods in
        nonisolated(unsafe) let divergences = divergences.baseAddress!, likelihoods = likelihoods.baseAddress!
        ThreadPool.shared.forEach(rows.count) { index in
          let row = rows.lowerBound + index, own = z.pointer + index * vocabulary
          let weight = targets.weights[row] * scale, label = Int(targets.labels[row])
          guard let theirs else {
            likelihoods[index] = crossEntropyGradient(own, count: vocabulary, label: label, weight: weight)
            if let seed = options.drawing { draw(own, insteadOf: label, weight: weight, seed: seed, row: row) }
            return
          }
          if share == 1 {
            likelihoods[index] = logSumExp(own, count: vocabulary) - Double(own[label])
            divergences[index] = divergenceGradient(
              own, teacher: theirs.pointer + index * vocabulary, count: vocabulary, temperature: temperature, weight: weight)
            return
          }
          let copy = context.pool.take(vocabulary)
          copy.pointer.update(from: own, count: vocabulary)
          likelihoods[index] = crossEntropyGradient(
            copy.pointer, count: vocabulary, label: label, weight: weight * (1 - share))
          divergences[index] = divergenceGradient(
            own, teacher: theirs.pointer + index * vocabulary, count: vocabulary, temperature: temperature, weight: weight * share
          )
          add(own, copy.pointer, count: vocabulary)
        }
      }
    }
    var sums = LossSums()
    for index in 0..<rows.count {
      let weight = Double(targets.weights[rows.lowerBound + index])
      sums.divergence += weight * divergences[index]
      sums.likelihood += weight * likelihoods[index]
      sums.weight += weight
    }
    return sums
  }
}

/// What happens to the products of the head before they are logits.
struct LogitFunction {
  let scale: Float
  let softcap: Float?

  init(_ spec: ModelSpec) {
    scale = spec.logitScale
    softcap = spec.logitSoftcap
  }

  func apply(_ z: Floats, _ context: PassContext) {
    guard scale != 1 || softcap != nil else { return }
    let width = z.count / max(1, context.tokens)
    context.forEachPiece { piece in
      for token in piece {
        let row = z.pointer + token * width
        if scale != 1 { Kernels.scale(row, by: scale, count: width) }
        if let softcap { Kernels.softcap(row, softcap, count: width) }
      }
    }
  }

  /// Makes gradients of logits those of products; `capped` is what `apply` gave, where there is a softcap.
  func back(_ gradient: Floats, capped: Floats?, _ context: PassContext) {
    guard scale != 1 || softcap != nil else { return }
    let width = gradient.count / max(1, context.tokens)
    context.forEachPiece { piece in
      for token in piece {
        let row = gradient.pointer + token * width
        if let softcap, let capped {
          let values = capped.pointer + token * width
          for index in 0..<width {
            let share = values[index] / softcap
            row[index] *= 1 - share * share
          }
        }
        if scale != 1 { Kernels.scale(row, by: scale, count: width) }
      }
    }
  }
}
