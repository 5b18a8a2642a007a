import Artifacts
import Checkpoints
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing
import Training

/// Fifty steps of AdamW on stories260K against torch (fixtures/gradients/make.py).
struct CurveTests {
  @Test func lossesFollowThoseOfTorch() throws {
    let file = try SafetensorsFile(path: Fixtures.path("gradients/curve.safetensors"))
    let tokens = try #require(file.tensors["tokens"]).readAll().map { Int32($0) }
    let losses = try #require(file.tensors["losses"]).readAll()
    let model = try TrainedModel(try ModelSource.open(stories), plan: .everything, window: 64)
    var options = AdamWOptions()
    options.beta2 = 0.95
    options.decay = 0.1
    let optimizer = AdamW(model.parameters, options), step = TrainingStep(model)
    for (index, expected) in losses.enumerated() {
      let batch = Array(tokens[index * 256..<(index + 1) * 256])
      let targets = LossTargets(predicting: batch, window: 64)
      let sums = step.addGradients(batch, window: 64, targets, total: Double(targets.rows.count))
      let loss = sums.likelihood / sums.weight
      #expect(abs(loss - Double(expected)) < 0.005 * Double(expected), "step \(index): \(loss), torch \(expected)")
      optimizer.step(rate: 1e-3)
      model.refresh()
    }
  }
}
