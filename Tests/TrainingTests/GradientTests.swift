import Artifacts
import Checkpoints
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing
import Training

/// Gradients of every family against torch (fixtures/gradients).
struct GradientTests {
  static let families = TestFolder.names(in: Fixtures.path("gradients")).filter { !$0.contains(".") }

  private func expected(_ family: String) throws -> (tokens: [Int32], loss: Float) {
    let file = try SafetensorsFile(path: Fixtures.path("gradients/\(family)/expected.safetensors"))
    let tokens = try #require(file.tensors["tokens"]).readAll().map { Int32($0) }
    return (tokens, try #require(try file.tensors["loss"]?.readAll().first))
  }

  @Test func thereAreFamilies() { #expect(Self.families.count >= 20) }

  /// Whether layers are kept for the way back or computed again, the same to the bit.
  @Test(arguments: families) func gradientsAreThoseOfTorch(family: String) throws {
    let source = try ModelSource.open(Fixtures.path("gradients/\(family)"))
    let gradients = try ModelSource.open(Fixtures.path("gradients/\(family)/gradients"))
    let (tokens, loss) = try expected(family)
    let targets = LossTargets(predicting: tokens, window: 12)
    var results: [[Float]] = []
    for recomputes in [false, true] {
      let model = try TrainedModel(source, plan: .everything, window: 12, recomputes: recomputes)
      let sums = TrainingStep(model).addGradients(tokens, window: 12, targets, total: Double(targets.rows.count))
      #expect(abs(sums.likelihood / sums.weight - Double(loss)) < 1e-5 * Double(loss))
      for (spec, parameter) in zip(model.spec.tensors, model.parameters) {
        let reference = try gradients.tensor(spec).readAll(), found = parameter.gradient.array
        let difference = zip(reference, found).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        let size = reference.reduce(0.0) { $0 + Double($1 * $1) }
        #expect(difference.squareRoot() <= 1e-4 * size.squareRoot() + 1e-7, "\(spec.name)")
      }
      results.append(model.parameters.flatMap(\.gradient.array))
    }
    #expect(results[0].map(\.bitPattern) == results[1].map(\.bitPattern))
  }
}
