import Inference
import Kernels
import Models
import Quantization
import Tensors
import Training

/// What errors in the outputs of the matrices of the layers cost, each beside the others and all together: the Fisher information of outputs,
/// by a pass back through the model (`GradientPass`).
struct OutputStatistics: Sendable {
  /// Of each matrix, by tensor name, how its rows are quantized; without those for which there is no gradient.
  private(set) var outputs: [String: RateQuantizer.Outputs] = [:]

  /// Tokens of the text that are looked at, where what enters the layers does not take more than so many bytes for all of them.
  private static let tokens = 16384, streamBytes = 1 << 31
  /// The share of the mean that every output counts at least.
  private static let floor = 0.3

  /// Of a model on some of the windows of a text, spread evenly.
  ///
  /// - Throws: `badInput` when a tensor cannot be read or is not finite (MODEL-5).
  init(_ source: ModelSource, windows: TokenWindows, progress: ProgressConsumer? = nil) throws(LMToolError) {
    let tokens = min(Self.tokens, Self.streamBytes / (4 * source.spec.width * max(1, source.spec.layers.count)))
    let sample = windows.sample(max(1, tokens / windows.length), length: windows.length)
    let pass = GradientPass(source, tokens: sample.tokens, window: sample.length)
    try pass.run(progress: progress) { (tensor, gradients) throws(LMToolError) in
      guard let moments = gradients.relativeMoments(floor: Self.floor), let gains = LaneGains(moments, rows: gradients.outputs)
      else { return }
      outputs[tensor.name] = RateQuantizer.Outputs(gains)
    }
  }
}
