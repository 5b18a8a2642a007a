import Artifacts
import Models
import Tensors
import TestSupport
import Testing
import Training

/// Gradients against what the loss does when a number is moved a little.
struct FiniteDifferenceTests {
  private static let tokens: [Int32] = (0..<24).map { Int32(3 + $0 * 7 % 45) }

  /// Divergence from a teacher with other weights, alone at a temperature, and mixed with the likelihood of the text.
  @Test(
    arguments: ["llama", "gemma2", "gpt2", "opt_post", "cohere"],
    [TrainingPlan.factors, .everything, .lowRank(rank: 2, alpha: 4, seed: 1)])
  func gradientsAreSlopes(family: String, plan: TrainingPlan) throws {
    let source = try ModelSource.open(Fixtures.path("gradients/\(family)"))
    let teacher = try TrainedModel(source, plan: .everything, window: 12)
    for (index, parameter) in teacher.parameters.enumerated() {
      for at in 0..<parameter.values.count { parameter.values.pointer[at] += 0.05 * Float((at * 31 + index) % 7 - 3) / 3 }
    }
    for share in [Float(1), 0.25] {
      let model = try TrainedModel(source, plan: plan, window: 12)
      var options = LossOptions()
      options.divergence = share
      options.temperature = 2
      let step = TrainingStep(model, teacher: teacher, options: options)
      let targets = LossTargets(predicting: Self.tokens, window: 12), total = Double(targets.rows.count)
      // The low-rank change begins at zero, where half of its gradients are.
      for parameter in model.parameters where parameter.name.hasSuffix("lora_B") {
        for at in 0..<parameter.values.count { parameter.values.pointer[at] = 0.1 * Float(at % 5 - 2) }
      }
      model.refresh()
      _ = step.addGradients(Self.tokens, window: 12, targets, total: total)
      func loss() -> Double {
        model.refresh()
        let sums = step.evaluate(Self.tokens, window: 12, targets)
        return (4 * Double(share) * sums.divergence + Double(1 - share) * sums.likelihood) / total
      }
      try check(model.parameters, loss)
    }
  }

  /// Moves all numbers of a parameter along its gradient: the slope is the gradient's norm.
  private func check(_ parameters: [Parameter], _ loss: () -> Double) throws {
    for parameter in parameters {
      let kept = parameter.values.array, gradient = parameter.gradient.array
      let norm = gradient.reduce(0.0) { $0 + Double($1 * $1) }.squareRoot()
      guard norm > 1e-4 else { continue }
      let reach = 2e-3 / max(1, norm)
      func moved(_ distance: Double) -> Double {
        for at in kept.indices { parameter.values.pointer[at] = kept[at] + Float(distance / norm) * gradient[at] }
        defer { for at in kept.indices { parameter.values.pointer[at] = kept[at] } }
        return loss()
      }
      let slope = (moved(reach) - moved(-reach)) / (2 * reach)
      #expect(abs(slope - norm) < 0.02 * norm + 2e-3, "\(parameter.name): \(slope), not \(norm)")
    }
  }
}
